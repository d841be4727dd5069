//! Work on samples by all cores, with its results in the order of the samples.

use std::num::NonZero;
use std::panic;
use std::sync::mpsc::sync_channel;
use std::thread;

/// Results of a thread that wait to be taken.
const AHEAD: usize = 32;
/// For fewer numbers no threads are started.
const FEW: usize = 8;

/// Computes `work` of each number below `n` on all cores and hands the results to `take`, in order.
///
/// # Panics
///
/// If `work` does, with its message.
pub(super) fn in_order<T: Send>(
    n: usize,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T),
) {
    let n_threads = thread::available_parallelism().map_or(1, NonZero::get);
    let n_threads = n_threads.min(n);
    if n_threads < 2 || n < FEW {
        return (0..n).for_each(|at| take(at, work(at)));
    }
    thread::scope(|scope| {
        let start = |first: usize| {
            let (sender, receiver) = sync_channel(AHEAD);
            let work = &work;
            let thread = scope.spawn(move || {
                let mut share = (first..n).step_by(n_threads);
                // The other end is gone when another thread has panicked.
                share.all(|at| sender.send(work(at)).is_ok())
            });
            (receiver, thread)
        };
        let mut threads: Vec<_> = (0..n_threads).map(start).collect();
        for at in 0..n {
            let from = at % n_threads;
            if let Ok(result) = threads[from].0.recv() {
                take(at, result);
            } else if let Err(panic) = threads.swap_remove(from).1.join() {
                drop(threads);
                panic::resume_unwind(panic);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_order() {
        for n in [0, 1, 2, FEW, 1000] {
            let mut taken = vec![];
            in_order(n, |at| at * 3, |at, result| taken.push((at, result)));
            assert_eq!(taken, (0..n).map(|at| (at, at * 3)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_is_passed_on_with_its_message() {
        let work = |at: usize| if at == 70 { panic!("sample {at}") } else { at };
        let caught = panic::catch_unwind(|| in_order(1000, work, |at, _| assert!(at < 70)));
        let message = caught.unwrap_err();
        assert_eq!(message.downcast_ref::<String>().unwrap(), "sample 70");
    }
}
