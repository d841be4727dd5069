//! The share of a training that waits for its data, as a Burn metric.

use std::sync::Arc;
use std::time::Duration;

use burn::tensor::TensorReadError;
use burn::train::metric::MetricName;

use crate::loader::LoaderWait;
use crate::metric::MetricInput;
use crate::metric::epoch::{EpochStatistic, epoch_metric};

/// Share of the time of the training steps of an epoch that was spent waiting for batches, in percent. It
/// is called "Data wait".
///
/// Where it is more than a few percent, [more workers](crate::loader::SeededLoader::with_workers) or
/// smaller files help. The batches that a resumed training reads to return to its place count as
/// waiting in its first epoch. [`fit`](crate::fit::fit) registers the metric for loaders that
/// [measure](crate::loader::TrainingData::with_wait) it.
#[derive(Debug, Clone)]
pub struct DataWaitMetric {
    name: MetricName,
    wait: LoaderWait,
    /// Waiting and total time before this epoch.
    before: (Duration, Duration),
    n_batches: usize,
}

impl DataWaitMetric {
    /// A metric of the loader that `wait` is of.
    pub fn new(wait: LoaderWait) -> Self {
        Self {
            name: Arc::new(Self::NAME.to_string()),
            before: (wait.duration(), wait.elapsed()),
            wait,
            n_batches: 0,
        }
    }

    pub(crate) const NAME: &str = "Data wait";
}

impl EpochStatistic for DataWaitMetric {
    const UNIT: Option<&'static str> = Some("%");
    const HIGHER_IS_BETTER: bool = false;
    const DESCRIPTION: &'static str = "Share of the training steps that waited for data";

    fn add(&mut self, _input: &MetricInput) -> Result<(), TensorReadError> {
        self.n_batches += 1;
        Ok(())
    }

    fn n_samples(&self) -> usize {
        self.n_batches
    }

    fn value(&self) -> f64 {
        let waited = self.wait.duration().saturating_sub(self.before.0);
        let elapsed = self.wait.elapsed().saturating_sub(self.before.1);
        if elapsed.is_zero() {
            return f64::NAN;
        }
        100.0 * waited.as_secs_f64() / elapsed.as_secs_f64()
    }

    fn reset(&mut self) {
        self.before = (self.wait.duration(), self.wait.elapsed());
        self.n_batches = 0;
    }
}

epoch_metric!(DataWaitMetric);

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use burn::data::dataloader::DataLoader;
    use burn::data::dataloader::batcher::Batcher;
    use burn::data::dataset::InMemDataset;
    use burn::tensor::Device;

    use super::*;
    use crate::loader::SeededLoader;

    struct Collect;

    impl Batcher<u32, Vec<u32>> for Collect {
        fn batch(&self, items: Vec<u32>, _: &Device) -> Vec<u32> {
            items
        }
    }

    #[test]
    fn the_share_is_that_of_the_epoch() {
        let milliseconds = |n| sleep(Duration::from_millis(n));
        let items = InMemDataset::new(vec![1, 2, 3, 4]);
        let loader = SeededLoader::new(items, Collect, 2, 0, &Device::flex()).unwrap();
        let loader = loader.with_augmentation(move |item, _| {
            milliseconds(5);
            Ok(item)
        });
        let mut metric = DataWaitMetric::new(loader.wait());
        assert!(metric.value().is_nan());
        // 20 ms of reading, and 20 or 180 ms of work.
        let mut epoch = |work| {
            loader.iter().for_each(|_| milliseconds(work));
            let share = metric.value();
            metric.reset();
            share
        };
        let (first, second) = (epoch(10), epoch(90));
        assert!(second < first && first < 90.0, "{first} %, {second} %");
        assert!(second > 1.0, "{second} %");
        assert!(metric.value().is_nan());
    }
}
