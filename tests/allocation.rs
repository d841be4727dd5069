//! Memory: on a CPU an update makes no temporary of the size of `P`, not even when it folds its
//! corrections in, and checkpoints are streamed. An own program, because it counts allocations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use burn_mla::checkpoint::{CheckpointStore, Snapshot, TrainingProgress};
use burn_mla::prelude::*;
use burn_mla::projector::{LeakyRlsProjectorConfig, TraceRescaledRlsProjectorConfig};

/// Bytes of the largest request, of all that is allocated, and the most that was.
struct Counter {
    largest: AtomicUsize,
    live: AtomicUsize,
    peak: AtomicUsize,
}

impl Counter {
    fn add(&self, size: usize) {
        self.largest.fetch_max(size, Ordering::Relaxed);
        let live = self.live.fetch_add(size, Ordering::Relaxed) + size;
        self.peak.fetch_max(live, Ordering::Relaxed);
    }

    fn remove(&self, size: usize) {
        self.live.fetch_sub(size, Ordering::Relaxed);
    }
}

// Safety: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both exist while the content is copied.
        self.add(size);
        let moved = unsafe { System.realloc(memory, layout, size) };
        self.remove(layout.size());
        moved
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        self.remove(layout.size());
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTER: Counter = Counter {
    largest: AtomicUsize::new(0),
    live: AtomicUsize::new(0),
    peak: AtomicUsize::new(0),
};

/// One test at a time: the counts are those of the whole program.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const S: usize = 512;
const FOLD_EVERY: usize = 8;
const BYTES_OF_P: usize = S * S * 4;

/// The largest request in each of 16 updates.
fn requests<P: OrthogonalProjector>(rule: P) -> Vec<usize> {
    let device = Device::flex();
    let mut state = rule.init(S, 2, &device).unwrap();
    (0..2 * FOLD_EVERY)
        .map(|step| {
            let feature = Tensor::<1>::ones([S], &device) * (1.0 + step as f32);
            COUNTER.largest.store(0, Ordering::Relaxed);
            let taken = std::mem::replace(&mut state, rule.init(1, 2, &device).unwrap());
            state = rule.update(feature, step % 2, taken);
            COUNTER.largest.load(Ordering::Relaxed)
        })
        .collect()
}

fn check<P: OrthogonalProjector>(rule: P) {
    // The allocator counts as expected.
    COUNTER.largest.store(0, Ordering::Relaxed);
    rule.init(S, 2, &Device::flex()).unwrap();
    assert!(COUNTER.largest.load(Ordering::Relaxed) >= BYTES_OF_P);

    // The first product of a thread allocates a work space, of the size of the L2 cache, and keeps it.
    requests(rule.clone());
    for (step, size) in requests(rule.clone()).into_iter().enumerate() {
        let folds = step % FOLD_EVERY == FOLD_EVERY - 1;
        // In a fold, the matrix product allocates its own work space.
        let limit = BYTES_OF_P / if folds { 2 } else { 8 };
        assert!(
            size <= limit,
            "{rule:?}, update {step}: {size} bytes at once"
        );
    }
}

#[test]
fn an_update_makes_no_temporary_of_the_size_of_p() {
    let _alone = alone();
    check(RlsProjectorConfig::new().init().unwrap());
    let leaky = LeakyRlsProjectorConfig::new().with_fold_every(FOLD_EVERY);
    check(leaky.init().unwrap());
    check(TraceRescaledRlsProjectorConfig::new().init().unwrap());
}

const N_LAYERS: usize = 8;

fn live() -> usize {
    COUNTER.live.load(Ordering::Relaxed)
}

/// The result of `work`, and the most bytes allocated at any time while it ran.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    COUNTER.peak.store(live(), Ordering::Relaxed);
    let result = work();
    (result, COUNTER.peak.load(Ordering::Relaxed))
}

/// A training whose model has layers of `width * width` parameters, after a step of Adam.
fn trained(width: usize, device: &Device) -> (Vec<Linear>, ModuleOptimizer) {
    let (model, mut optimizer) = untrained(width, device);
    let weights = model.iter().map(|layer| layer.weight.val().square().sum());
    let loss = weights.reduce(|sum, term| sum + term).unwrap();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let model = optimizer.step(0.1, model, gradients);
    (model, optimizer)
}

fn untrained(width: usize, device: &Device) -> (Vec<Linear>, ModuleOptimizer) {
    let layer = LinearConfig::new(width, width).with_bias(false);
    let layers = (0..N_LAYERS).map(|_| layer.init(device)).collect();
    (layers, AdamConfig::new().init())
}

/// Saving takes at most 1.3 times the size of model and optimizer beside them. Restoring takes at most
/// 1.7 times in all: the record of the optimizer and its tensors exist at the same time.
fn check_checkpoint(width: usize) {
    let _alone = alone();
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let store = CheckpointStore::open(folder.path()).unwrap();
    let state = 3 * N_LAYERS * width * width * size_of::<f32>();
    let factor = |bytes: usize| bytes as f64 / state as f64;

    let before = live();
    let (model, optimizer) = trained(width, &device);
    let size = factor(live() - before);
    assert!(size > 0.95, "a model and the two moments of Adam: {size}");
    let scheduler = ModuleLrScheduler::from(0.1);
    let before = live();
    let (path, most) = peak(|| {
        let progress = TrainingProgress::new(1);
        let snapshot = Snapshot::new(&model, &optimizer, &scheduler, progress).unwrap();
        store.save(&snapshot).unwrap()
    });
    let saving = factor(most - before);
    let left = factor(live().saturating_sub(before));
    assert!(left < 0.01, "nothing stays: {left}");
    let expected = model[N_LAYERS - 1].weight.val().into_data();
    drop((model, optimizer));

    let before = live();
    let (restored, most) = peak(|| {
        let snapshot = CheckpointStore::load(path).unwrap();
        let (model, optimizer) = untrained(width, &device);
        let model = snapshot.restore_model(model).unwrap();
        (model, snapshot.restore_optimizer(optimizer).unwrap())
    });
    let loading = factor(most - before);
    let (model, optimizer) = restored;
    assert_eq!(model[N_LAYERS - 1].weight.val().into_data(), expected);
    assert_eq!(optimizer.to_record().len(), 2 * N_LAYERS);
    println!("of {state} bytes: saving takes {saving:.3} times them, loading {loading:.3}");
    assert!(saving <= 1.3, "{saving}");
    assert!(loading <= 1.7, "{loading}");
}

#[test]
fn checkpoints_of_40_mb_are_streamed() {
    check_checkpoint(640);
}

#[test]
#[ignore = "takes gigabytes on the disk and a while"]
fn checkpoints_of_400_mb_are_streamed() {
    check_checkpoint(2048);
}
