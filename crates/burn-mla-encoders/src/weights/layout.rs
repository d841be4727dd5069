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

/// Transposes a matrix; other tensors stay as they are.
fn transpose(tensor: Tensor) -> Tensor {
    let [rows, columns] = tensor.shape[..] else {
        return tensor;
    };
    let (name, dtype, shape) = (tensor.name.clone(), tensor.dtype, [columns, rows]);
    bridge::deferred(name, dtype, shape.into(), None, move || {
        let (bytes, size) = (tensor.to_bytes()?, dtype.size());
        if bytes.len() != rows * columns * size {
            let problem = format!("{}: {} bytes", tensor.name, bytes.len());
            return Err(Error::ValidationError(problem));
        }
        let mut transposed = Vec::with_capacity(bytes.len());
        for column in 0..columns {
            for row in 0..rows {
                let at = (row * columns + column) * size;
                transposed.extend_from_slice(&bytes[at..at + size]);
            }
        }
        Ok(TensorData::from_bytes_vec(transposed, shape, dtype))
    })
}
