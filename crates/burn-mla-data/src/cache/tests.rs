//! Entries survive other writers, kills and damage, and stay within the limit.

use std::thread;

use serde_json::json;

use super::*;

fn key(name: &str) -> CacheKey {
    CacheKey::new(name.as_bytes(), &json!(null))
}

/// An item whose entry has 1000 bytes.
fn item(value: u8) -> Vec<u8> {
    vec![value; 1000 - 52]
}

fn set_age(path: &Path, seconds: u64) {
    let used = SystemTime::now() - Duration::from_secs(seconds);
    File::options()
        .write(true)
        .open(path)
        .and_then(|file| file.set_modified(used))
        .unwrap();
}

fn bytes_in(cache: &DiskCache) -> u64 {
    let entries = evict::entries(cache.folder()).unwrap();
    entries.iter().map(|entry| entry.bytes).sum()
}

#[test]
fn content_and_settings_are_the_key() {
    let keys = [
        CacheKey::new(b"a", &json!({"side": 224})),
        CacheKey::new(b"a", &json!({"side": 256})),
        CacheKey::new(b"b", &json!({"side": 224})),
        CacheKey::new(b"", &json!("a")),
        CacheKey::new(b"a", &json!("")),
    ];
    let folder = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(folder.path(), 1 << 20).unwrap();
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(cache.get::<Vec<u8>>(key), None);
        cache.put(key, &vec![at as u8]);
    }
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(cache.get(key), Some(vec![at as u8]));
    }
    let report = cache.report();
    assert_eq!((report.hits, report.misses, report.written), (5, 5, 5));
    assert_eq!(
        report.to_string(),
        "cache: 5 hits, 5 misses, 5 written (0.0 MB), 0 evicted"
    );
}

#[test]
fn two_processes_and_their_threads_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    // Each has its own counts; 40 of the 100 items fit.
    let caches = [(); 2].map(|()| DiskCache::open(folder.path(), 40_000).unwrap());
    thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &caches[thread % 2];
            scope.spawn(move || {
                for round in 0..150 {
                    let name = (round * (thread + 1) % 100) as u8;
                    let key = key(&name.to_string());
                    match cache.get::<Vec<u8>>(&key) {
                        Some(found) => assert_eq!(found, item(name)),
                        None => cache.put(&key, &item(name)),
                    }
                }
            });
        }
    });
    // A cache makes no room while the other is at it: each has a turn of its own at the end.
    for cache in &caches {
        cache.put(&key("last"), &item(0));
    }
    // Which of them had to make room depends on their turns.
    let reports = caches.each_ref().map(DiskCache::report);
    assert!(reports.iter().map(|report| report.evicted).sum::<u64>() > 0);
    assert!(
        reports
            .iter()
            .all(|report| report.hits + report.misses == 300)
    );
    assert!(
        reports
            .iter()
            .all(|report| report.damaged + report.not_written == 0)
    );
    let reopened = DiskCache::open(folder.path(), 40_000).unwrap();
    assert!(bytes_in(&reopened) <= 40_000);
}

#[test]
fn a_half_written_entry_is_no_entry() {
    let folder = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(folder.path(), 1 << 20).unwrap();
    cache.put(&key("a"), &item(1));
    let path = cache.path(&key("a"));
    // What a kill leaves of a write: the entry under another name.
    let part = |name: &str| path.with_file_name(format!("x.{name}.burn-mla-unfinished"));
    let whole = fs::read(&path).unwrap();
    for (name, age) in [("killed", 7200), ("at work", 5)] {
        fs::write(part(name), &whole[..500]).unwrap();
        set_age(&part(name), age);
    }
    let cache = DiskCache::open(folder.path(), 1 << 20).unwrap();
    assert!(!part("killed").exists() && part("at work").exists());
    assert_eq!(cache.get(&key("a")), Some(item(1)));
    // A disk that lost the end of it.
    fs::write(&path, &whole[..500]).unwrap();
    assert_eq!(cache.get::<Vec<u8>>(&key("a")), None);
    cache.put(&key("a"), &item(1));
    assert_eq!(cache.get(&key("a")), Some(item(1)));
    let report = cache.report();
    assert_eq!(
        (report.damaged, &report.damaged_files[..]),
        (1, &[path.clone()][..])
    );
    assert!(
        report
            .to_string()
            .ends_with(&format!("; 1 damaged\ndamaged: {}", path.display()))
    );
}

#[test]
fn damage_is_noticed_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(folder.path(), 1 << 20).unwrap();
    for damage in [&b""[..], b"text", &[0; 1000]] {
        cache.put(&key("a"), &item(1));
        fs::write(cache.path(&key("a")), damage).unwrap();
        assert_eq!(cache.get::<Vec<u8>>(&key("a")), None);
    }
    // Whole, but of another type.
    cache.put(&key("b"), &vec![1_u8, 2, 3]);
    assert_eq!(cache.get::<Vec<f32>>(&key("b")), None);
    assert_eq!(cache.report().damaged, 4);
}

#[test]
fn the_oldest_use_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let cache = DiskCache::open(folder.path(), 10_000).unwrap();
    for name in 0..10 {
        cache.put(&key(&name.to_string()), &item(name));
        set_age(
            &cache.path(&key(&name.to_string())),
            1000 - 10 * u64::from(name),
        );
    }
    assert_eq!(cache.report().evicted, 0);
    // The oldest is used, and is the youngest then.
    assert_eq!(cache.get(&key("0")), Some(item(0)));
    cache.put(&key("new"), &item(99));
    let left = |name: &str| cache.path(&key(name)).exists();
    assert!(left("0") && !left("1") && !left("2") && left("3") && left("new"));
    assert_eq!((bytes_in(&cache), cache.report().evicted), (9000, 2));
    // A smaller limit is kept when the folder is opened.
    let smaller = DiskCache::open(folder.path(), 5000).unwrap();
    assert_eq!((bytes_in(&smaller), smaller.report().evicted), (4000, 5));
    assert_eq!(smaller.get(&key("new")), Some(item(99)));
    smaller.put(&key("huge"), &vec![0_u8; 5000]);
    assert_eq!((bytes_in(&smaller), smaller.report().too_large), (4000, 1));
}

#[test]
fn what_cannot_be_written_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = DiskCache::open(&file, 1).unwrap_err().to_string();
    assert!(error.starts_with(&format!("the cache {}: ", file.display())));

    let cache = DiskCache::open(folder.path().join("cache"), 1 << 20).unwrap();
    let path = cache.path(&key("a"));
    fs::write(path.parent().unwrap(), "in the way").unwrap();
    cache.put(&key("a"), &item(1));
    assert_eq!(cache.get::<Vec<u8>>(&key("a")), None);
    let report = cache.report();
    assert_eq!((report.not_written, report.written), (1, 0));
    assert!(report.to_string().contains("; 1 not written: "));
}
