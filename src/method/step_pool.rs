//! The threads that training steps run on.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::module::{ParamVisitor, Visited, visit};
use crate::numeric::is_flex;

/// Returns true if all parameters of the encoders and the head are on flex. Other backends keep a queue of
/// operations per thread, which means that their steps must stay on the thread of the training.
pub(crate) fn are_on_flex<E: Module, H: Module>(encoders: &E, head: &H) -> bool {
    struct All(bool);
    impl ParamVisitor for All {
        fn visit<const D: usize>(&mut self, _: &Visited<'_>, param: &Param<Tensor<D>>) {
            self.0 = self.0 && is_flex(&param.lazy_device().inner());
        }
    }
    let mut all = All(true);
    visit(encoders, &mut all);
    visit(head, &mut all);
    all.0
}

/// Runs a step, of a model on flex on a thread of a pool.
///
/// flex divides larger operations among rayon's threads. A thread outside of their pool hands each of them over, sleeps
/// and is woken up, some 50 times per step. A thread of the pool takes part instead. The pool has as many threads as
/// rayon's own, and runs one step at a time: others stay where they are, and no thread that waits within a step can
/// take up another one.
pub(crate) fn on_pool<R: Send>(are_on_flex: bool, step: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "flex")]
    if are_on_flex
        && rayon::current_thread_index().is_none()
        && let Some(pool) = flex::POOL.as_ref()
        && let Some(_turn) = flex::turn()
    {
        return pool.install(step);
    }
    #[cfg(not(feature = "flex"))]
    let _ = are_on_flex;
    step()
}

#[cfg(feature = "flex")]
mod flex {
    use std::sync::{LazyLock, Mutex, MutexGuard, TryLockError};

    use rayon::{ThreadPool, ThreadPoolBuilder, current_num_threads};

    /// Bytes of a thread's stack: as many as a main thread has on Linux, where a step may have run before.
    const STACK: usize = 8 << 20;

    /// `None` if the system gives no more threads.
    pub(super) static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
        let pool = ThreadPoolBuilder::new().num_threads(current_num_threads());
        let pool = pool.thread_name(|at| format!("step-{at}"));
        pool.stack_size(STACK).build().ok()
    });

    static TURN: Mutex<()> = Mutex::new(());

    /// The turn on the pool, unless another step has it.
    pub(super) fn turn() -> Option<MutexGuard<'static, ()>> {
        match TURN.try_lock() {
            Ok(turn) => Some(turn),
            // A step has panicked, which says nothing about the pool.
            Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn one_part_elsewhere_keeps_all_steps_on_their_thread() {
        let devices = crate::test_devices();
        let layer = |device: &Device| -> Linear { LinearConfig::new(2, 2).init(device) };
        let (flex, last) = (&devices[0], &devices[devices.len() - 1]);
        assert!(are_on_flex(&layer(flex), &layer(&flex.clone().autodiff())));
        for (encoder, head) in [(flex, last), (last, flex)] {
            let all = are_on_flex(&layer(encoder), &layer(head));
            assert_eq!(all, flex == last);
        }
    }

    fn index() -> Option<usize> {
        rayon::current_thread_index()
    }

    /// One test, because the pool is one.
    #[test]
    fn one_step_at_a_time_runs_on_the_pool() {
        let retry = |step: &(dyn Fn() -> Option<usize> + Sync)| {
            // Tests beside this one take steps, too.
            let attempt = || {
                on_pool(true, step).or_else(|| {
                    std::thread::sleep(Duration::from_millis(1));
                    None
                })
            };
            (0..60_000).find_map(|_| attempt()).is_some()
        };
        assert!(index().is_none());
        assert!(retry(&index));
        // A second thread's step meanwhile stays there.
        assert!(retry(&|| {
            index()?;
            let other = std::thread::scope(|scope| {
                let step = || on_pool(true, index);
                scope.spawn(step).join().unwrap()
            });
            assert_eq!(other, None);
            // A step within a step is a part of it.
            assert_eq!(on_pool(true, index), index());
            index()
        }));
        let panics = || on_pool(true, || panic!("a step"));
        let caught = catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        assert_eq!(caught.downcast_ref(), Some(&"a step"));
        assert!(retry(&index));
    }
}
