//! A training on a manifest that is killed and resumed is the one that was never killed, whatever the number of
//! workers.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::fit::{FitConfig, fit};
use burn_mla::prelude::{LinearHeadConfig, MlaConfig, MlpEncoderConfig};
use rand::RngExt;
use rand::rngs::ChaCha12Rng;

use super::*;

const FOLDER: &str = "BURN_MLA_DATA_RESUME_FOLDER";
const WORKERS: &str = "BURN_MLA_DATA_RESUME_WORKERS";
const CHILD: &str = "manifest::tests::resuming::the_child_process";
/// The file with what a training that was not killed found.
const FOUND: &str = "found.txt";
const EPOCHS: usize = 3;

/// The length of a text and its first letter, with noise in training. Slow where a process is to be killed.
struct Letters {
    delay: Duration,
}

impl FrontEnd for Letters {
    type Item = Vec<f32>;
    type Input = Tensor<2>;

    fn reads(&self, kind: ColumnKind) -> bool {
        kind == ColumnKind::Text
    }

    fn decode(
        &self,
        cell: Cell<'_>,
        numbers: Option<&mut ChaCha12Rng>,
    ) -> Result<Vec<f32>, FrontEndError> {
        let Cell::Text(text) = cell else {
            return Err("no text".into());
        };
        std::thread::sleep(self.delay);
        let first = f32::from(text.as_bytes()[0]) / 100.0;
        let mut item = vec![text.len() as f32 / 10.0, first];
        if let Some(numbers) = numbers {
            item.iter_mut().for_each(|x| *x += numbers.random::<f32>());
        }
        Ok(item)
    }

    fn collate(&self, items: Vec<Vec<f32>>, device: &Device) -> Result<Tensor<2>, FrontEndError> {
        let data = TensorData::new(items.concat(), [items.len(), 2]);
        Ok(Tensor::from_data(data, device))
    }
}

/// Validation losses of the epochs and predictions at the end, in full precision. The process that is killed is slow
/// and saves each turn. Initial weights are drawn from the random numbers of the device, which all tests of a process
/// share: they are those of the seed in a child process only.
fn train(folder: &Path, n_workers: usize, is_killed: bool) -> String {
    let delay = Duration::from_millis(if is_killed { 2 } else { 0 });
    let device = Device::flex();
    device.seed(0);
    let manifest = ManifestConfig::new().open(folder.join("data.csv")).unwrap();
    let letters = || Letters { delay };
    let data = manifest.dataset((letters(), letters())).unwrap();
    let data = data.with_workers(n_workers);
    let encoder = || MlpEncoderConfig::new(2, 4).init(&device).unwrap();
    let head = LinearHeadConfig::new(4, 2).init(&device).unwrap();
    let model = MlaConfig::new()
        .init_default((encoder(), encoder()), head)
        .unwrap();
    let part = |split| data.part(split).unwrap();
    let train = part(Split::Train).shuffled(4, 3, &device).unwrap();
    let valid = part(Split::Valid).in_order(8, &device).unwrap();
    let mut config = FitConfig::new(EPOCHS)
        .with_progress(false)
        .with_directory(folder.join(format!("run-{n_workers}")));
    if is_killed {
        config = config.with_every(1);
    }
    let fitted = fit(model, train, valid.clone(), &config).unwrap();
    let table = fs::read_to_string(folder.join(format!("run-{n_workers}/metrics.csv"))).unwrap();
    assert!(table.contains("Data wait"));
    let batch = valid.iter().next().unwrap().unwrap();
    let fused = fitted.model.predict(batch).unwrap().fused;
    format!("{:?} {:?}", fitted.history, fused.into_data())
}

fn folder() -> Folder {
    let row = |i: usize| {
        let split = if i < 20 { "train" } else { "valid" };
        let word = ["cat", "doge"][i % 2];
        let title = if i % 5 == 1 { "" } else { word };
        format!("{i},{word},{split},{title},a {word} {i}\n")
    };
    let rows: String = (0..28).map(row).collect();
    Folder::new(&[("data.csv", &format!("id,label,split,title,body\n{rows}"))])
}

#[test]
#[ignore = "the child process of another test"]
fn the_child_process() {
    if let (Ok(folder), Ok(workers)) = (std::env::var(FOLDER), std::env::var(WORKERS)) {
        let folder = Path::new(&folder);
        let found = train(folder, workers.parse().unwrap(), true);
        fs::write(folder.join(FOUND), found).unwrap();
    }
}

fn child(folder: &Folder, n_workers: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored"])
        .env(FOLDER, folder.0.path())
        .env(WORKERS, n_workers.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Turn of the latest checkpoint.
fn latest(directory: &Path) -> usize {
    let Ok(files) = fs::read_dir(directory) else {
        return 0;
    };
    let turn = |name: &str| {
        name.strip_prefix("turn-")?
            .strip_suffix(".ckpt")?
            .parse()
            .ok()
    };
    let turns = files.filter_map(|file| turn(file.ok()?.file_name().to_str()?));
    turns.max().unwrap_or(0)
}

#[test]
fn a_killed_training_resumes_with_any_number_of_workers() {
    let whole = folder();
    assert!(child(&whole, 0).wait().unwrap().success());
    let expected = fs::read_to_string(whole.path(FOUND)).unwrap();
    // The number of workers is part of the name of the directory, not of the training.
    for (before, after) in [(0, 4), (1, 0), (4, 1)] {
        let folder = folder();
        let mut child = child(&folder, before);
        let run = folder.path(&format!("run-{before}"));
        let start = Instant::now();
        // In the second epoch of 10 turns.
        while latest(&run) < 13 && start.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let turns = latest(&run);
        assert!(
            (13..10 * EPOCHS).contains(&turns),
            "killed after turn {turns}"
        );
        fs::rename(&run, folder.path(&format!("run-{after}"))).unwrap();
        let resumed = train(folder.0.path(), after, false);
        assert!(
            resumed == expected,
            "{before} workers, then {after}: {resumed}\n{expected}"
        );
    }
}
