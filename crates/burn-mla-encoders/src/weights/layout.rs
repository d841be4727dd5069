//! Tensors that a file holds in parts or transposed.

use std::collections::BTreeMap;

use burn::store::bridge;
use burn::store::burn_pack::{Error, Tensor};
use burn::tensor::{Shape, TensorData};

use super::error::{Mismatch, ShapeMismatch};
use super::key;

/// The tensors of a file by key. More than one per key is an error.
pub(super) type Tensors = BTreeMap<String, Vec<Tensor>>;

/// Tensors to stack and to transpose.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    stacked: Vec<Stack>,
    transposed: Vec<String>,
}

/// Parts of keys whose tensors become one.
#[derive(Debug, Clone)]
struct Stack {
    parts: Vec<String>,
    to: String,
}

impl Layout {
    pub(super) fn stack(&mut self, parts: Vec<String>, to: String) {
        self.stacked.push(Stack { parts, to });
    }

    pub(super) fn transpose(&mut self, name: String) {
        self.transposed.push(name);
    }

    /// Stacks and transposes tensors, and returns what does not fit together.
    pub(super) fn apply(&self, tensors: Tensors) -> (Tensors, Mismatch) {
        let mut problems = Mismatch::default();
        let stack = |tensors, stack: &Stack| stack.apply(tensors, &mut problems);
        let mut tensors = self.stacked.iter().fold(tensors, stack);
        for (key, tensors) in &mut tensors {
            if self.transposed.iter().any(|name| key::matches(key, name)) {
                let transposed = std::mem::take(tensors).into_iter().map(transpose);
                *tensors = transposed.collect();
            }
        }
        (tensors, problems)
    }
}

impl Stack {
    fn apply(&self, tensors: Tensors, problems: &mut Mismatch) -> Tensors {
        let mut whole = Tensors::new();
        let mut groups: BTreeMap<String, Vec<(usize, Tensor)>> = BTreeMap::new();
        for (key, found) in tensors {
            let renamed = self.parts.iter().enumerate().find_map(|(i, part)| {
                let renamed = key::rename(&key, part, &self.to);
                (renamed != key).then_some((i, renamed))
            });
            let Some((i, renamed)) = renamed else {
                whole.insert(key, found);
                continue;
            };
            if found.len() > 1 {
                problems.ambiguous.push(key);
            }
            let group = groups.entry(renamed).or_default();
            group.extend(found.into_iter().take(1).map(|tensor| (i, tensor)));
        }
        for (key, mut group) in groups {
            group.sort_by_key(|(i, _)| *i);
            if let Some(stacked) = self.stacked(&key, group, problems) {
                whole.entry(key).or_default().push(stacked);
            }
        }
        whole
    }

    /// Stacks the parts of one tensor. A part that is missing or has another shape is a problem.
    fn stacked(
        &self,
        key: &str,
        parts: Vec<(usize, Tensor)>,
        problems: &mut Mismatch,
    ) -> Option<Tensor> {
        let (first_part, first) = parts.first()?;
        let (name, dtype, shape) = (first.name.clone(), first.dtype, first.shape.clone());
        let n_problems = |problems: &Mismatch| {
            problems.missing.len() + problems.shapes.len() + problems.unreadable.len()
        };
        let n_before = n_problems(problems);
        for (i, part) in self.parts.iter().enumerate() {
            if !parts.iter().any(|(found, _)| *found == i) {
                let missing = key::rename(&name, &self.parts[*first_part], part);
                problems.missing.push(missing);
            }
        }
        for (_, part) in &parts {
            if part.shape != shape {
                problems.shapes.push(ShapeMismatch {
                    path: part.name.clone(),
                    expected: shape.to_vec(),
                    found: part.shape.to_vec(),
                });
            } else if part.dtype != dtype {
                let problem = format!("{}: {:?} beside {dtype:?}", part.name, part.dtype);
                problems.unreadable.push(problem);
            }
        }
        if n_problems(problems) > n_before {
            return None;
        }

        let mut stacked_shape = shape.to_vec();
        *stacked_shape.first_mut()? *= parts.len();
        let shape = Shape::from(stacked_shape);
        let parts: Vec<Tensor> = parts.into_iter().map(|(_, part)| part).collect();
        let declared = shape.clone();
        Some(bridge::deferred(
            key.into(),
            dtype,
            shape,
            None,
            move || {
                let mut bytes = Vec::with_capacity(parts.iter().map(Tensor::byte_len).sum());
                for part in &parts {
                    bytes.extend_from_slice(&part.to_bytes()?);
                }
                Ok(TensorData::from_bytes_vec(bytes, declared.clone(), dtype))
            },
        ))
    }
}

/// Transposes a matrix when its data is read; other tensors stay as they are.
pub(super) fn transpose(tensor: Tensor) -> Tensor {
    let [rows, columns] = tensor.shape[..] else {
        return tensor;
    };
    let (name, dtype, shape) = (tensor.name.clone(), tensor.dtype, [columns, rows]);
    let transposed = match dtype.size() {
        1 => transposed::<1>,
        2 => transposed::<2>,
        4 => transposed::<4>,
        8 => transposed::<8>,
        _ => return tensor,
    };
    bridge::deferred(name, dtype, shape.into(), None, move || {
        let bytes = tensor.to_bytes()?;
        if bytes.len() != rows * columns * dtype.size() {
            let problem = format!("{}: {} bytes", tensor.name, bytes.len());
            return Err(Error::ValidationError(problem));
        }
        let bytes = transposed(&bytes, rows, columns);
        Ok(TensorData::from_bytes_vec(bytes, shape, dtype))
    })
}

/// Height and width of the part of a matrix that is transposed at once. A row of it fills a cache line of
/// numbers of 4 bytes, which is then read and written as a whole.
const TILE: usize = 16;

/// The transposed matrix of elements of `SIZE` bytes.
fn transposed<const SIZE: usize>(bytes: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    let (elements, _) = bytes.as_chunks::<SIZE>();
    let mut transposed = Vec::with_capacity(elements.len());
    let mut band = vec![[0; SIZE]; TILE * rows];
    let mut tile = [[[0; SIZE]; TILE]; TILE];
    for left in (0..columns).step_by(TILE) {
        let width = TILE.min(columns - left);
        for top in (0..rows).step_by(TILE) {
            let height = TILE.min(rows - top);
            for (row, part) in tile[..height].iter_mut().enumerate() {
                let start = (top + row) * columns + left;
                part[..width].copy_from_slice(&elements[start..start + width]);
            }
            for column in 0..width {
                let start = column * rows + top;
                let part = &mut band[start..start + height];
                for (element, row) in part.iter_mut().zip(&tile) {
                    *element = row[column];
                }
            }
        }
        transposed.extend_from_slice(&band[..width * rows]);
    }
    transposed.into_flattened()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_of_all_sizes_are_transposed() {
        for (rows, columns) in [(1, 1), (16, 16), (3, 40), (33, 17), (0, 5), (50, 1)] {
            let values: Vec<u32> = (0..(rows * columns) as u32).collect();
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            let found = transposed::<4>(&bytes, rows, columns);
            let at = |row: usize, column: usize| values[row * columns + column];
            let expected = (0..columns).flat_map(|column| (0..rows).map(move |row| (row, column)));
            let expected: Vec<u8> = expected
                .flat_map(|(row, column)| at(row, column).to_le_bytes())
                .collect();
            assert_eq!(found, expected, "{rows} x {columns}");
        }
    }
}
