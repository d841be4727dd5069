//! The threads that steps and predictions of a model run on.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::module::{ParamVisitor, Visited, visit};
use crate::numeric::is_flex;

/// The thread that a model's steps, updates and predictions run on: one of a pool, or that of the caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelThread {
    is_of_pool: bool,
}

impl ModelThread {
    /// The thread for encoders and a head: one of the pool if all of their parameters are on flex. Other
    /// backends keep a queue of operations per thread, which means that their steps must stay on the thread of
    /// the caller.
    pub(crate) fn of<E: Module, H: Module>(encoders: &E, head: &H) -> Self {
        /// `None` without a parameter, which may be anywhere.
        struct AllOnFlex(Option<bool>);
        impl ParamVisitor for AllOnFlex {
            fn visit<const D: usize>(&mut self, _: &Visited<'_>, param: &Param<Tensor<D>>) {
                self.0 = Some(self.0 != Some(false) && is_flex(&param.lazy_device().inner()));
            }
        }
        let mut all = AllOnFlex(None);
        if cfg!(feature = "flex") {
            visit(encoders, &mut all);
            visit(head, &mut all);
        }
        let is_of_pool = all.0 == Some(true);
        Self { is_of_pool }
    }

    /// Runs a step or a prediction there.
    pub(crate) fn run<R: Send>(self, step: impl FnOnce() -> R + Send) -> R {
        on_pool(self.is_of_pool, step)
    }
}

/// Runs a step or a prediction, with `use_pool` on a thread of a pool.
///
/// flex divides larger operations among rayon's threads. A thread outside of their pool hands each of them over, sleeps
/// and is woken up, some 50 times per step. A thread of the pool takes part instead. The pool has as many threads as
/// rayon's own, and runs one step at a time: others stay where they are, and no thread that waits within a step can
/// take up another one.
fn on_pool<R: Send>(use_pool: bool, step: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "flex")]
    if use_pool
        && rayon::current_thread_index().is_none()
        && let Some(pool) = flex::POOL.as_ref()
        && let Some(_turn) = flex::turn()
    {
        return pool.install(step);
    }
    #[cfg(not(feature = "flex"))]
    let _ = use_pool;
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
    fn a_model_without_parameters_stays_on_its_thread() {
        assert!(!ModelThread::of(&Vec::<Linear>::new(), &Vec::<Linear>::new()).is_of_pool);
    }

    #[test]
    fn one_part_elsewhere_keeps_all_steps_on_their_thread() {
        let devices = crate::test_devices();
        let layer = |device: &Device| -> Linear { LinearConfig::new(2, 2).init(device) };
        let (flex, last) = (&devices[0], &devices[devices.len() - 1]);
        assert!(ModelThread::of(&layer(flex), &layer(&flex.clone().autodiff())).is_of_pool);
        for (encoder, head) in [(flex, last), (last, flex)] {
            let thread = ModelThread::of(&layer(encoder), &layer(head));
            assert_eq!(thread.is_of_pool, flex == last);
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
