//! Tables and lists of splits from any bytes, for the fuzz targets.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::read::{Table, read_csv, read_json_lines};
use super::{Manifest, ManifestConfig, ManifestError, Shares};

/// A name in a folder that exists and has no such file.
static PATH: LazyLock<PathBuf> = LazyLock::new(|| std::env::temp_dir().join("fuzzed.csv"));

fn table(table: Result<Table, ManifestError>) -> Option<Manifest> {
    let table = table.ok()?;
    let n_rows = table.lines.len();
    assert!(table.columns.iter().all(|cells| cells.len() == n_rows));
    assert_eq!(table.names.len(), table.columns.len());
    let manifest = ManifestConfig::new().manifest(&PATH, table).ok()?;
    assert_eq!(manifest.len(), n_rows);
    for sample in 0..n_rows {
        assert!(!manifest.id(sample).as_str().is_empty());
        let label = manifest.label(sample);
        assert!(label.is_none_or(|label| label < manifest.classes().len()));
        for modality in 0..manifest.modalities.len() {
            let text = manifest.modalities[modality].cells.get(sample);
            assert_eq!(text, text.trim());
        }
    }
    if let Ok(split) = manifest.split_stratified(&Shares::new(0.2, 0.2, 0)) {
        assert!((0..n_rows).all(|sample| split.split(sample).is_some()));
    }
    Some(manifest)
}

pub(crate) fn csv(bytes: &[u8]) {
    table(read_csv(&PATH, bytes, b','));
}

pub(crate) fn json_lines(bytes: &[u8]) {
    table(read_json_lines(&PATH, bytes));
}

pub(crate) fn split_list(bytes: &[u8]) {
    static MANIFEST: LazyLock<Option<Manifest>> = LazyLock::new(|| {
        let text = "id,label,text\na,x,one\nb,x,two\n\"c,\"\"d\"\"\",y,three\n";
        table(read_csv(Path::new("fuzzed.csv"), text.as_bytes(), b','))
    });
    let Some(manifest) = &*MANIFEST else {
        panic!("the table is valid");
    };
    for verify in [false, true] {
        if let Ok(split) = manifest.with_split_list(&PATH, bytes, verify) {
            assert!((0..manifest.len()).all(|sample| split.split(sample).is_some()));
        }
    }
}
