//! A device with a thread of its own, and the question whether it still answers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use burn::tensor::Device;

use crate::error::MlaError;

/// How long a device may take to answer when nothing else is set.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time between two questions to devices of which one is lost.
const GRACE: Duration = Duration::from_millis(500);

type Job = Box<dyn FnOnce() + Send>;

/// A device and a thread that works on it: the same one each time, because backends keep a queue of
/// operations per thread.
///
/// What is never answered holds up only this thread.
pub(crate) struct DeviceWorker {
    pub(crate) device: Device,
    jobs: Sender<Job>,
}

/// The result of a [job](DeviceWorker::run).
pub(crate) struct Running<T>(Receiver<thread::Result<T>>);

impl DeviceWorker {
    pub(crate) fn new(device: Device) -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::spawn(move || queue.into_iter().for_each(|job| job()));
        Self { device, jobs }
    }

    /// Runs `work` after the jobs before it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Running<T> {
        let (sender, result) = mpsc::channel();
        let job = move || {
            // The receiver is gone if nothing waits for the result any more.
            let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
        };
        // The thread ends with this value; if it could not be started, the result is missing.
        let _ = self.jobs.send(Box::new(job));
        Running(result)
    }

    pub(crate) fn lost(&self, reason: String) -> MlaError {
        MlaError::LostDevices {
            devices: vec![self.name()],
            reason,
        }
    }

    /// As Burn shows the device, which has the address of a remote one.
    fn name(&self) -> String {
        format!("{:?}", self.device.clone().inner())
    }
}

impl<T> Running<T> {
    /// Waits for the result, for at most `limit`, or returns why there is none. A panic is a result: its
    /// payload.
    pub(crate) fn wait(self, limit: Option<Duration>) -> Result<thread::Result<T>, String> {
        let received = match limit {
            Some(limit) => self.0.recv_timeout(limit),
            None => (self.0.recv()).map_err(|_| RecvTimeoutError::Disconnected),
        };
        received.map_err(|error| match (error, limit) {
            (RecvTimeoutError::Timeout, Some(limit)) => format!("no answer in {limit:?}"),
            _ => "its thread has ended".into(),
        })
    }
}

/// The devices that do not complete their work: the backend reports an error, panics, or takes longer than
/// `limit`.
pub(crate) fn find_lost(workers: &[DeviceWorker], limit: Option<Duration>) -> Option<MlaError> {
    let lost = ask(workers, limit)?;
    // A device that took another with it may be noticed a moment later.
    thread::sleep(GRACE);
    Some(ask(workers, limit).unwrap_or(lost))
}

fn ask(workers: &[DeviceWorker], limit: Option<Duration>) -> Option<MlaError> {
    let limit = limit.unwrap_or(PATIENCE);
    let asked: Vec<_> = workers
        .iter()
        .map(|worker| {
            let device = worker.device.clone();
            worker.run(move || device.sync())
        })
        .collect();
    let (mut devices, mut reasons) = (vec![], vec![]);
    for (asked, worker) in asked.into_iter().zip(workers) {
        let reason = match asked.wait(Some(limit)) {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(panic)) => message(&*panic),
            Err(reason) => reason,
        };
        devices.push(worker.name());
        reasons.push(reason);
    }
    let reason = reasons.into_iter().next()?;
    Some(MlaError::LostDevices { devices, reason })
}

/// Names the devices in an error of a failed read, if some of `devices` are lost.
pub(crate) fn named(error: MlaError, devices: impl IntoIterator<Item = Device>) -> MlaError {
    if !matches!(error, MlaError::DeviceRead { .. }) {
        return error;
    }
    let workers: Vec<_> = devices.into_iter().map(DeviceWorker::new).collect();
    find_lost(&workers, None).unwrap_or(error)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_answers_is_not_lost() {
        for device in crate::test_devices() {
            let worker = DeviceWorker::new(device.clone());
            assert_eq!(worker.run(|| 3).wait(None).unwrap().unwrap(), 3);
            assert!(
                worker
                    .run(|| panic!("a fault"))
                    .wait(None)
                    .unwrap()
                    .is_err()
            );
            // The panic has not ended the thread.
            assert_eq!(find_lost(&[worker], None), None);
            let error = MlaError::DeviceRead {
                what: "a number",
                message: "none".into(),
            };
            assert_eq!(named(error.clone(), [device]), error);
        }
    }

    #[test]
    fn a_device_that_is_silent_is_lost() {
        for device in crate::test_devices() {
            let worker = DeviceWorker::new(device.clone());
            let (release, wait) = mpsc::channel::<()>();
            let stuck = worker.run(move || wait.recv());
            let limit = Duration::from_millis(50);
            let error = find_lost(&[DeviceWorker::new(device), worker], Some(limit)).unwrap();
            assert!(error.to_string().contains("no answer in 50ms"), "{error}");
            release.send(()).unwrap();
            stuck.wait(None).unwrap().unwrap().unwrap();
        }
    }
}
