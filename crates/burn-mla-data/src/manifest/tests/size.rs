//! Manifests of a million lines.

use std::io::{BufWriter, Write};
use std::time::Instant;

use super::*;

/// Prints the times of a release build; run it alone by
/// `cargo test --release -p burn-mla-data --lib -- --ignored million --nocapture`.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "measures a build with optimizations"]
fn a_million_lines_open_in_seconds_and_little_memory() {
    const N: usize = 1_000_000;
    let folder = Folder::new(&[]);
    let file = |name: &str| BufWriter::new(fs::File::create(folder.path(name)).unwrap());
    let (mut csv, mut json) = (file("data.csv"), file("data.jsonl"));
    writeln!(csv, "id,label,split,image,text").unwrap();
    for i in 0..N {
        let (class, split) = (i % 101, ["train", "valid", "test"][i / 101 % 3]);
        let image = format!("images/{split}/class_{class}/class_{class}_{i}.jpg");
        let text = format!("a title of some words, like \"\"recipe\"\" number {i} of the web page");
        writeln!(csv, "sample-{i},class {class},{split},{image},\"{text}\"").unwrap();
        let text = text.replace('"', "\\\"");
        writeln!(
            json,
            "{{\"id\": \"sample-{i}\", \"label\": \"class {class}\", \"split\": \"{split}\", \"image\": \
             \"{image}\", \"text\": \"{text}\"}}"
        )
        .unwrap();
    }
    drop((csv, json));
    for name in ["data.csv", "data.jsonl"] {
        let start = Instant::now();
        let manifest = folder.open(name).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!((manifest.len(), manifest.classes().len()), (N, 101));
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        println!(
            "{name}: {seconds:.2} s, peak of the process {}",
            peak.trim()
        );
        let kilobytes: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kilobytes < 400_000);
    }
}
