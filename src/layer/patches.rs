//! The patches that a kernel covers, as the columns of a matrix.

use std::ops::Range;

use burn::nn::PaddingConfig2d;

/// The positions of a kernel along one axis of an image.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) size: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    dilation: usize,
    /// Padding before the image.
    before: usize,
    /// Number of positions.
    pub(super) positions: usize,
}

impl Axis {
    /// `None` if the kernel is larger than the padded image.
    fn new(
        size: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        [before, after]: [usize; 2],
    ) -> Option<Self> {
        let free = (size + before + after).checked_sub(dilation * (kernel - 1) + 1)?;
        Some(Self {
            size,
            kernel,
            stride,
            dilation,
            before,
            positions: free / stride + 1,
        })
    }

    /// The positions where the kernel's entry `at` is within the image, and where it is at the first of them.
    fn within(&self, at: usize) -> (Range<usize>, usize) {
        let shift = at * self.dilation;
        let first_within = |edge: usize| {
            let position = edge.saturating_sub(shift).div_ceil(self.stride);
            position.min(self.positions)
        };
        let begin = first_within(self.before);
        let end = first_within(self.before + self.size);
        let first = (begin * self.stride + shift).saturating_sub(self.before);
        (begin..end, first)
    }
}

/// The patches of an image, `[channels, rows, columns]`.
#[derive(Debug, Clone)]
pub(super) struct Patches {
    pub(super) channels: usize,
    pub(super) rows: Axis,
    pub(super) columns: Axis,
}

impl Patches {
    /// The patches of images `[channels, height, width]`, by the options of Burn's layers. `None` if the kernel is
    /// larger than the padded image.
    pub(super) fn new(
        [channels, height, width]: [usize; 3],
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
        padding: &PaddingConfig2d,
    ) -> Option<Self> {
        let axis = |at: usize, size: usize| {
            let padding = match *padding {
                PaddingConfig2d::Valid => [0, 0],
                PaddingConfig2d::Same => same(size, kernel[at], stride[at]),
                PaddingConfig2d::Explicit(top, left, bottom, right) => {
                    [[top, bottom], [left, right]][at]
                }
            };
            Axis::new(size, kernel[at], stride[at], dilation[at], padding)
        };
        Some(Self {
            channels,
            rows: axis(0, height)?,
            columns: axis(1, width)?,
        })
    }

    /// Entries of an image.
    pub(super) fn image(&self) -> usize {
        self.channels * self.rows.size * self.columns.size
    }

    /// Entries of a patch.
    pub(super) fn patch(&self) -> usize {
        self.channels * self.rows.kernel * self.columns.kernel
    }

    /// Number of patches.
    pub(super) fn len(&self) -> usize {
        self.rows.positions * self.columns.positions
    }

    /// Writes the patches of an image to a matrix of zeros, `[patch, width]`, from column `begin` on.
    pub(super) fn write(&self, image: &[f32], matrix: &mut [f32], width: usize, begin: usize) {
        let stride = self.columns.stride;
        self.runs(width, begin, |from, to, n| {
            let to = &mut matrix[to..to + n];
            if stride == 1 {
                to.copy_from_slice(&image[from..from + n]);
            } else {
                let from = image[from..].iter().step_by(stride);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        });
    }

    /// Adds the columns of such a matrix to the image, each entry to where it came from.
    #[cfg(feature = "train")]
    pub(super) fn add(&self, matrix: &[f32], width: usize, begin: usize, image: &mut [f32]) {
        let stride = self.columns.stride;
        self.runs(width, begin, |to, from, n| {
            let from = &matrix[from..from + n];
            if stride == 1 {
                let to = &mut image[to..to + n];
                to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
            } else {
                let to = image[to..].iter_mut().step_by(stride);
                to.zip(from).for_each(|(to, from)| *to += from);
            }
        });
    }

    /// Visits the rows of the image that an entry of the kernel covers: where the row begins in the image
    /// and in the matrix, and its number of positions.
    pub(super) fn runs(
        &self,
        width: usize,
        begin: usize,
        mut visit: impl FnMut(usize, usize, usize),
    ) {
        let (rows, columns) = (&self.rows, &self.columns);
        let mut entry = 0;
        for channel in 0..self.channels {
            for i in 0..rows.kernel {
                let (ys, first_y) = rows.within(i);
                for k in 0..columns.kernel {
                    let (xs, x) = columns.within(k);
                    for (n, y) in ys.clone().enumerate().take_while(|_| !xs.is_empty()) {
                        let row = channel * rows.size + first_y + n * rows.stride;
                        let position = y * columns.positions + xs.start;
                        let to = entry * width + begin + position;
                        visit(row * columns.size + x, to, xs.len());
                    }
                    entry += 1;
                }
            }
        }
    }
}

/// The padding before and after an axis that gives a position per stride, which does not count a dilation.
fn same(size: usize, kernel: usize, stride: usize) -> [usize; 2] {
    let covered = size.div_ceil(stride).saturating_sub(1) * stride + kernel;
    let padding = covered.saturating_sub(size);
    [padding / 2, padding - padding / 2]
}
