//! Features in files: `.npy` and `.safetensors`.

mod npy;
mod safe;

use std::fs;
use std::path::{Path, PathBuf};

/// Real numbers in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The values, as many as the product of the shape.
    pub values: Vec<f32>,
}

/// A file of features that is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct FeaturesError {
    /// The file.
    pub path: PathBuf,
    /// The problem.
    pub problem: String,
}

impl Features {
    /// Reads a file of one array: NumPy's `.npy`, or `.safetensors` with a single tensor or the tensor
    /// `name`.
    ///
    /// Integers and floats of every size become `f32`. The header of an array is compared with the
    /// size of the file before memory is reserved.
    ///
    /// # Errors
    ///
    /// [`FeaturesError`] for a file that cannot be read, another format, an array in Fortran's
    /// order, complex numbers, objects or texts, a size that contradicts the header, and NaN or
    /// infinite values.
    pub fn read(path: impl AsRef<Path>, name: Option<&str>) -> Result<Self, FeaturesError> {
        let path = path.as_ref();
        let refused = |problem: String| FeaturesError {
            path: path.to_path_buf(),
            problem,
        };
        let bytes = fs::read(path).map_err(|error| refused(error.to_string()))?;
        Self::parse(&bytes, name).map_err(refused)
    }

    /// Writes NumPy's `.npy` with 32-bit floats. The write is atomic.
    ///
    /// # Errors
    ///
    /// [`FeaturesError`] for a number of values that is not that of the shape, a value that is not finite, and a
    /// file that cannot be written.
    pub fn save_npy(&self, path: impl AsRef<Path>) -> Result<(), FeaturesError> {
        let path = path.as_ref();
        let refused = |problem: String| FeaturesError {
            path: path.to_path_buf(),
            problem,
        };
        if n_values(&self.shape) != Some(self.values.len()) {
            let (n, shape) = (self.values.len(), &self.shape);
            return Err(refused(format!("{n} values for the shape {shape:?}")));
        }
        self.check_finite().map_err(refused)?;
        let written = burn_mla::atomic_file::write(path, &npy::bytes(self));
        written.map_err(|error| refused(error.to_string()))
    }

    /// The bytes of an `.npy` file of integers in 64 bits.
    #[cfg(feature = "text")]
    pub(crate) fn npy_of_integers(shape: &[usize], values: &[i64]) -> Vec<u8> {
        npy::array(
            "<i8",
            shape,
            values.iter().flat_map(|value| value.to_le_bytes()),
        )
    }

    fn check_finite(&self) -> Result<(), String> {
        match self.values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(format!("value {at} is {}", self.values[at])),
            None => Ok(()),
        }
    }

    /// The format is that of the content, whatever the extension is.
    pub(crate) fn parse(bytes: &[u8], name: Option<&str>) -> Result<Self, String> {
        let features = if bytes.starts_with(npy::MAGIC) {
            npy::parse(bytes)?
        } else {
            safe::parse(bytes, name)?
        };
        features.check_finite()?;
        Ok(features)
    }
}

/// Number of values of a shape; `None` if it is beyond the address space.
fn n_values(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1_usize, |product, &length| product.checked_mul(length))
}

/// Checks that `data` has `n` values of `N` bytes, and converts them.
fn convert<const N: usize>(
    data: &[u8],
    n: usize,
    value: impl Fn([u8; N]) -> f32,
) -> Result<Vec<f32>, String> {
    let expected = n.checked_mul(N);
    if expected != Some(data.len()) {
        let got = data.len();
        return Err(format!(
            "{got} bytes of data, expected {n} values of {N} bytes"
        ));
    }
    let (values, _) = data.as_chunks::<N>();
    Ok(values.iter().map(|&bytes| value(bytes)).collect())
}

/// The value of a half-precision float.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x3ff);
    match (bits >> 10) & 0x1f {
        0 => sign * fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        exponent => sign * (1.0 + fraction / 1024.0) * 2f32.powi(i32::from(exponent) - 15),
    }
}

#[cfg(test)]
mod tests;
