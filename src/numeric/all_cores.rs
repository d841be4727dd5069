//! Independent jobs on all cores.

/// The results of jobs, in their order, computed on all cores with the feature `host-kernels`. They do not depend
/// on it.
pub(crate) fn on_all_cores<T: Sync, R: Send>(
    jobs: &[T],
    run: impl Fn(&T) -> R + Sync + Send,
) -> Vec<R> {
    #[cfg(feature = "host-kernels")]
    {
        use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
        jobs.par_iter().map(run).collect()
    }
    #[cfg(not(feature = "host-kernels"))]
    jobs.iter().map(run).collect()
}
