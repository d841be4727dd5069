//! Lists, labels and tables of the data sets from any bytes, for the fuzz targets.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use tempfile::TempDir;

use super::{crema_d, food101, iemocap, kinetics_sounds, mvsa};

/// A folder with a list of another split for each set that needs one.
static ROOT: LazyLock<TempDir> = LazyLock::new(|| {
    let root = TempDir::new().expect("a temporary folder");
    let results = root.path().join("processedResults");
    fs::create_dir(results).expect("a folder");
    write(root.path(), "crema_d.txt", b"1091_WSI_SAD_XX,SAD");
    let line = "Ses05M_script03_2_M045.mp4 [split|sign] words [split|sign] Sad";
    write(root.path(), "iemocap.txt", line.as_bytes());
    root
});

fn write(root: &Path, name: &str, bytes: &[u8]) {
    fs::write(root.join(name), bytes).expect("a file in a temporary folder");
}

/// The first byte selects the data set, the others are the file.
pub(crate) fn list(bytes: &[u8]) {
    let Some((set, bytes)) = bytes.split_first() else {
        return;
    };
    let root = ROOT.path();
    write(root, "list.txt", bytes);
    match set {
        b'c' => {
            write(root, "VideoDemographics.csv", bytes);
            write(root, "processedResults/summaryTable.csv", bytes);
            write(root, "processedResults/tabulatedVotes.csv", bytes);
            crema_d::fuzz(root);
        }
        b'k' => kinetics_sounds::fuzz(root),
        b'f' => food101::fuzz(root),
        b'm' => mvsa::fuzz(root),
        _ => iemocap::fuzz(root),
    }
}
