//! Ctrl-C, which stops a training with a checkpoint.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use burn::train::Interrupter;
use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// Ctrl-C, which stops at the end of the current step. A second one ends the program at once.
#[derive(Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    training: Arc<Mutex<Interrupter>>,
}

/// The error of a run that was stopped before its end.
#[derive(Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl Error for Stopped {}

/// The exit code of a program that Ctrl-C ends.
pub const EXIT_CODE: u8 = 130;

const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Stop {
    pub fn on_ctrl_c() -> Result<Self, Box<dyn Error>> {
        let stop = Self::default();
        // In this order, the first signal finds the flag unset.
        flag::register_conditional_shutdown(SIGINT, EXIT_CODE.into(), stop.asked.clone())?;
        flag::register(SIGINT, stop.asked.clone())?;
        let watching = stop.clone();
        std::thread::spawn(move || {
            while !watching.is_asked() {
                std::thread::sleep(LOOK_EVERY);
            }
            eprintln!("stopping after this step; press Ctrl-C again to stop at once");
            watching.interrupter().stop(Some("Ctrl-C"));
        });
        Ok(stop)
    }

    /// Returns the interrupter of the next training.
    pub fn new_interrupter(&self) -> Interrupter {
        let interrupter = Interrupter::new();
        let mut slot = self.training.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = interrupter.clone();
        if self.is_asked() {
            interrupter.stop(Some("Ctrl-C"));
        }
        interrupter
    }

    fn interrupter(&self) -> Interrupter {
        let slot = self.training.lock();
        slot.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}
