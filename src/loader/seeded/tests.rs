//! Orders, slices, workers and faults of seeded loaders.

use rand::Rng;

use super::*;
use burn::data::dataset::InMemDataset;

struct Collect;

impl Batcher<usize, Vec<usize>> for Collect {
    fn batch(&self, items: Vec<usize>, _: &Device) -> Vec<usize> {
        items
    }
}

fn loader(n: usize, batch_size: usize, seed: u64) -> SeededLoader<usize, Vec<usize>> {
    let dataset = InMemDataset::new((0..n).collect());
    SeededLoader::new(dataset, Collect, batch_size, seed, &Device::flex()).unwrap()
}

fn pass(loader: &dyn DataLoader<Vec<usize>>) -> Vec<Vec<usize>> {
    loader.iter().map(Result::unwrap).collect()
}

#[test]
fn every_pass_has_each_item_once_in_an_order_of_its_own() {
    let loader = loader(23, 5, 3);
    let (first, second) = (pass(&loader), pass(&loader));
    for batches in [&first, &second] {
        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(sizes, [5, 5, 5, 5, 3]);
        let mut all: Vec<usize> = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..23).collect::<Vec<_>>());
    }
    assert_ne!(first, second);
    assert_eq!(loader.passes().begun(), 2);
    assert_eq!(loader.n_batches(), 5);
}

#[test]
fn an_order_depends_on_seed_and_pass_only() {
    let (a, b) = (loader(23, 5, 3), loader(23, 5, 3));
    let skipped = pass(&a);
    assert_ne!(pass(&loader(23, 5, 4)), skipped);
    drop(b.iter());
    assert_eq!(pass(&*b.to_device(&Device::flex())), pass(&a));
}

/// Checkpoints rely on it: another order needs another format of checkpoints. The expected order was
/// computed by ChaCha12 and the shuffle in Python.
#[test]
fn an_order_never_changes() {
    assert_eq!(pass(&loader(8, 8, 3)), [[3, 0, 2, 5, 1, 6, 7, 4]]);
}

#[test]
fn slices_partition_the_items() {
    let whole = loader(23, 5, 3);
    let (a, b) = (whole.slice(0, 11), whole.slice(11, 23));
    assert_eq!((a.num_items(), b.num_items()), (11, 12));
    let mut all = [pass(&*a).concat(), pass(&*b).concat()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..23).collect::<Vec<_>>());
    assert_eq!(whole.passes().begun(), 0);
}

#[test]
fn counts_that_overflow_are_cut_to_the_data() {
    let whole = loader(23, usize::MAX, 3);
    let sizes: Vec<usize> = pass(&whole).iter().map(Vec::len).collect();
    assert_eq!(sizes, [23]);
    let rest = whole.slice(20, usize::MAX).slice(1, usize::MAX);
    let sizes: Vec<usize> = pass(&*rest).iter().map(Vec::len).collect();
    assert_eq!(sizes, [2]);
}

#[test]
fn an_empty_data_set_has_no_batches() {
    let empty = loader(0, 5, 3);
    assert!(pass(&empty).is_empty());
    let dataset = InMemDataset::new(vec![1]);
    assert!(SeededLoader::new(dataset, Collect, 0, 3, &Device::flex()).is_err());
}

fn slow(seed: u64) -> SeededLoader<usize, Vec<usize>> {
    loader(23, 5, seed).with_augmentation(|item, numbers| {
        // Workers finish out of order.
        std::thread::sleep(std::time::Duration::from_micros(numbers.next_u64() % 500));
        Ok(item + 100 * (numbers.next_u64() % 1000) as usize)
    })
}

#[test]
fn batches_do_not_depend_on_workers() {
    let expected = {
        let loader = slow(3);
        [pass(&loader), pass(&loader)]
    };
    assert_ne!(expected[0], expected[1]);
    for n_workers in [1, 2, 4, 50] {
        let loader = slow(3).with_workers(n_workers);
        assert_eq!(
            [pass(&loader), pass(&loader)],
            expected,
            "{n_workers} workers"
        );
        // A pass that is left early does not block.
        assert_eq!(loader.iter().next().unwrap().unwrap().len(), 5);
        assert_eq!(loader.passes().begun(), 3);
    }
    let empty = loader(0, 5, 3).with_workers(3);
    assert!(pass(&empty).is_empty());
}

#[test]
fn an_augmentation_depends_on_seed_pass_and_position() {
    let drawn = |batch_size, seed| {
        let loader = loader(23, batch_size, seed).with_augmentation(|item, numbers| {
            Ok(item + 100 * (numbers.next_u64() >> 40) as usize)
        });
        let mut passes = vec![];
        for _ in 0..2 {
            let mut items = pass(&loader).concat();
            items.sort_by_key(|item| item % 100);
            passes.push(items);
        }
        let slices = [pass(&*loader.slice(0, 9)), pass(&*loader.slice(9, 23))].concat();
        let mut slices = slices.concat();
        slices.sort_by_key(|item| item % 100);
        passes.push(slices);
        passes
    };
    let passes = drawn(5, 3);
    assert_eq!(drawn(4, 3)[..2], passes[..2]);
    assert_ne!(passes[0], passes[1]);
    assert_ne!(drawn(5, 4)[0], passes[0]);
    let mut distinct: Vec<usize> = passes.concat().iter().map(|item| item / 100).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() >= 67, "{}", distinct.len());
}

#[test]
fn items_can_be_read_in_order() {
    for n_workers in [0, 3] {
        let loader = loader(12, 5, 3).in_order().with_workers(n_workers);
        let expected: [Vec<usize>; 3] = [(0..5).collect(), (5..10).collect(), (10..12).collect()];
        assert_eq!(pass(&loader), expected);
    }
}

#[test]
fn the_recipe_is_part_of_the_description() {
    let order = |loader: &SeededLoader<usize, Vec<usize>>| loader.sources()[0].order().clone();
    let plain = loader(12, 5, 3);
    let recipe = plain.clone().with_recipe(&("fbank", 128)).unwrap();
    assert_ne!(order(&plain), order(&recipe));
    assert_eq!(order(&recipe)["recipe"][1], 128);
    assert_ne!(order(&plain), order(&plain.clone().in_order()));
    // Workers change nothing that a training depends on.
    assert_eq!(order(&plain), order(&plain.clone().with_workers(4)));
}

struct Broken;

impl Dataset<usize> for Broken {
    fn get(&self, index: usize) -> std::result::Result<usize, DatasetError> {
        match index {
            7 => Err(DatasetError::new(std::io::Error::other("no such clip"))),
            9 => panic!("a decoder of frame {index}"),
            _ => Ok(index),
        }
    }

    fn len(&self) -> usize {
        12
    }
}

struct Fragile;

impl Batcher<usize, Vec<usize>> for Fragile {
    fn batch(&self, items: Vec<usize>, _: &Device) -> Vec<usize> {
        assert!(!items.contains(&2), "a ragged batch");
        items
    }
}

#[test]
fn faults_name_their_item() {
    for n_workers in [0, 1, 3] {
        let loader = SeededLoader::new(Broken, Fragile, 2, 3, &Device::flex()).unwrap();
        let loader = loader.in_order().with_workers(n_workers);
        let batches: Vec<_> = loader.iter().collect();
        let texts: Vec<String> = batches
            .iter()
            .map(|batch| match batch {
                Ok(items) => format!("{items:?}"),
                Err(error) => error.to_string(),
            })
            .collect();
        let expected = [
            "[0, 1]",
            "making a batch of the items [2, 3] panicked: a ragged batch",
            "[4, 5]",
            "item 7 of the data set cannot be read: no such clip",
            "reading item 9 of the data set panicked: a decoder of frame 9",
            "[10, 11]",
        ];
        assert_eq!(texts, expected);
    }
}

struct Short;

impl Dataset<usize> for Short {
    fn get(&self, index: usize) -> std::result::Result<usize, DatasetError> {
        Ok(index)
    }

    fn get_many(&self, indices: Vec<usize>) -> std::result::Result<Vec<usize>, DatasetError> {
        Ok(indices.into_iter().filter(|index| *index != 2).collect())
    }

    fn len(&self) -> usize {
        4
    }
}

#[test]
fn an_item_that_is_left_out_is_an_error() {
    let loader = SeededLoader::new(Short, Collect, 2, 3, &Device::flex()).unwrap();
    let batches: Vec<_> = loader
        .in_order()
        .iter()
        .map(|batch| batch.map_err(|e| e.to_string()))
        .collect();
    let error = "the data set returned 1 items for the 2 items [2, 3]".to_string();
    assert_eq!(batches, [Ok(vec![0, 1]), Err(error)]);
}

#[test]
fn waiting_is_measured() {
    let loader = loader(10, 5, 3).with_augmentation(|item, _| {
        std::thread::sleep(std::time::Duration::from_millis(2));
        Ok(item)
    });
    let wait = loader.wait();
    for batch in loader.iter() {
        batch.unwrap();
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(wait.batches(), 2);
    assert!(wait.duration().as_millis() >= 20);
    // The work on both batches is in between.
    assert!((wait.elapsed() - wait.duration()).as_millis() >= 20);
    let elapsed = wait.elapsed();
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!(wait.elapsed(), elapsed);
}
