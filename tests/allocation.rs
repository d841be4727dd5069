//! On a CPU an update makes no temporary of the size of `P`, not even when it folds its corrections
//! in. A binary of its own, with an allocator that remembers the largest request.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor};
use burn_mla::prelude::*;
use burn_mla::projector::{LeakyRlsProjectorConfig, RlsForm, TraceRescaledRlsProjectorConfig};

struct Largest(AtomicUsize);

impl Largest {
    fn saw(&self, size: usize) {
        self.0.fetch_max(size, Ordering::Relaxed);
    }
}

// Safety: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.saw(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.saw(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.saw(size);
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static LARGEST: Largest = Largest(AtomicUsize::new(0));

const S: usize = 512;
const FOLD_EVERY: usize = 8;
const BYTES_OF_P: usize = S * S * 4;

/// The largest request of each of 16 updates.
fn requests<P: OrthogonalProjector>(rule: P) -> Vec<usize> {
    let device = Device::flex();
    let mut state = rule.init(S, 2, &device).unwrap();
    (0..2 * FOLD_EVERY)
        .map(|step| {
            let feature = Tensor::<1>::ones([S], &device) * (1.0 + step as f32);
            LARGEST.0.store(0, Ordering::Relaxed);
            let taken = std::mem::replace(&mut state, rule.init(1, 2, &device).unwrap());
            state = rule.update(feature, step % 2, taken);
            LARGEST.0.load(Ordering::Relaxed)
        })
        .collect()
}

fn check<P: OrthogonalProjector>(rule: P) {
    // The allocator sees what it should.
    LARGEST.0.store(0, Ordering::Relaxed);
    rule.init(S, 2, &Device::flex()).unwrap();
    assert!(LARGEST.0.load(Ordering::Relaxed) >= BYTES_OF_P);

    // The first product of a thread makes a work space that it keeps, of the size of the L2 cache.
    requests(rule.clone());
    for (step, size) in requests(rule.clone()).into_iter().enumerate() {
        let folds = step % FOLD_EVERY == FOLD_EVERY - 1;
        // In a fold, the matrix product asks for a work space of its own.
        let limit = BYTES_OF_P / if folds { 2 } else { 8 };
        assert!(
            size <= limit,
            "{rule:?}, update {step}: {size} bytes at once"
        );
    }
}

#[test]
fn an_update_makes_no_temporary_of_the_size_of_p() {
    let rls = RlsProjectorConfig::new().with_fold_every(FOLD_EVERY);
    check(rls.clone().init().unwrap());
    check(rls.with_form(RlsForm::SquareRoot).init().unwrap());
    let leaky = LeakyRlsProjectorConfig::new().with_fold_every(FOLD_EVERY);
    check(leaky.init().unwrap());
    let trace_rescaled = TraceRescaledRlsProjectorConfig::new().with_fold_every(FOLD_EVERY);
    check(trace_rescaled.init().unwrap());
}
