//! Reference values of the tests, from `tests/golden-missing`.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde_json::Value;

use crate::modality::{Presence, Targets};

/// The numbers of a file, and its hyper-parameters.
pub(in crate::baseline) struct Golden {
    pub(in crate::baseline) meta: Value,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Golden {
    /// Reads `tests/golden-missing/{name}.safetensors`, whose numbers are f64 and i64.
    pub(in crate::baseline) fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden-missing");
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: BTreeMap<String, Value> =
            serde_json::from_slice(&bytes[8..][..length]).unwrap();
        let data = &bytes[8 + length..];
        let entries = header.iter().filter(|(name, _)| *name != "__metadata__");
        let tensors = entries.map(|(name, entry)| {
            let sizes = |key: &str| -> Vec<usize> {
                let sizes = entry[key].as_array().unwrap().iter();
                sizes.map(|size| size.as_u64().unwrap() as usize).collect()
            };
            let range = sizes("data_offsets");
            let numbers = data[range[0]..range[1]].as_chunks::<8>().0.iter();
            let is_float = entry["dtype"] == "F64";
            let numbers = numbers.map(|&number| match is_float {
                true => f64::from_le_bytes(number),
                false => i64::from_le_bytes(number) as f64,
            });
            (name.clone(), (sizes("shape"), numbers.collect()))
        });
        let meta = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
        let meta: Value = serde_json::from_slice(&meta).unwrap();
        Self {
            meta: meta["meta"].clone(),
            tensors: tensors.collect(),
        }
    }

    pub(in crate::baseline) fn size(&self, name: &str) -> usize {
        self.meta[name].as_u64().unwrap() as usize
    }

    pub(in crate::baseline) fn values(&self, name: &str) -> &[f64] {
        let (_, values) = self.tensors.get(name).unwrap_or_else(|| panic!("{name}"));
        values
    }

    pub(in crate::baseline) fn tensor<const D: usize>(
        &self,
        name: &str,
        device: &Device,
    ) -> Tensor<D> {
        let values = self.values(name).iter().map(|&x| x as f32).collect();
        let (shape, _) = &self.tensors[name];
        Tensor::from_data(TensorData::new::<f32, _>(values, shape.clone()), device)
    }

    /// The complete features `x.0`, `x.1`, ...
    pub(in crate::baseline) fn inputs(&self, device: &Device) -> Vec<Tensor<2>> {
        let names = (0..).map(|modality| format!("x.{modality}"));
        let names = names.take_while(|name| self.tensors.contains_key(name));
        names.map(|name| self.tensor(&name, device)).collect()
    }

    pub(in crate::baseline) fn shape(&self, name: &str) -> &[usize] {
        &self.tensors[name].0
    }

    pub(in crate::baseline) fn presence(&self) -> Presence {
        self.mask("present")
    }

    /// A modality mask of the file.
    pub(in crate::baseline) fn mask(&self, name: &str) -> Presence {
        let mask = self.values(name).iter().map(|&x| x == 1.0).collect();
        Presence::from_mask(mask, self.shape(name)[1]).unwrap()
    }

    pub(in crate::baseline) fn targets(&self, device: &Device) -> Targets {
        let labels = self.values("labels").iter().map(|&label| label as usize);
        Targets::new(labels, device)
    }

    /// Checks values against the reference within `tolerance` of 1 + |value|.
    pub(in crate::baseline) fn close<const D: usize>(
        &self,
        name: &str,
        got: Tensor<D>,
        tolerance: f64,
    ) {
        let expected = self.values(name);
        let got: Vec<f32> = got.into_data().iter().collect();
        assert_eq!(got.len(), expected.len(), "{name}");
        for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
            let off = (f64::from(got) - expected).abs() / (1.0 + expected.abs());
            let place = format!("{name}, entry {i}: {got} instead of {expected}");
            assert!(off <= tolerance, "{place}, off by {off:e}");
        }
    }

    /// Sets the parameters of a module to the reference values of the names that `name` gives to
    /// their paths; `None` leaves a parameter as it is. A name that does not exist is a panic.
    pub(in crate::baseline) fn set<M: Module>(
        &self,
        module: M,
        name: impl Fn(&str) -> Option<String>,
    ) -> M {
        module.map(&mut Set {
            golden: self,
            path: vec![],
            name,
        })
    }

    /// Checks the gradient of each parameter of a module against `grad.{name}`, within `tolerance` of
    /// 1 + |value|. A parameter without a reference must have no gradient.
    pub(in crate::baseline) fn close_gradients<M: Module>(
        &self,
        module: &M,
        gradients: &Gradients,
        name: impl Fn(&str) -> Option<String>,
        tolerance: f64,
    ) {
        let mut check = Check {
            golden: self,
            gradients,
            path: vec![],
            name,
            tolerance,
            checked: 0,
        };
        module.visit(&mut check);
        let names = self.tensors.keys();
        let expected = names.filter(|name| name.starts_with("grad.")).count();
        assert_eq!(check.checked, expected, "references of gradients");
    }
}

struct Set<'a, N> {
    golden: &'a Golden,
    path: Vec<String>,
    name: N,
}

impl<N: Fn(&str) -> Option<String>> ModuleMapper for Set<'_, N> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(name) = (self.name)(&self.path.join(".")) else {
            return param;
        };
        param.map(|old| {
            let new = self.golden.tensor::<D>(&name, &old.device().inner());
            assert_eq!(new.dims(), old.dims(), "{name}");
            match old.device().is_autodiff() {
                true => new.autodiff().require_grad(),
                false => new,
            }
        })
    }
}

struct Check<'a, N> {
    golden: &'a Golden,
    gradients: &'a Gradients,
    path: Vec<String>,
    name: N,
    tolerance: f64,
    checked: usize,
}

impl<N: Fn(&str) -> Option<String>> ModuleVisitor for Check<'_, N> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let name = (self.name)(&path).map(|name| format!("grad.{name}"));
        let gradient = param.val().grad(self.gradients);
        let Some(name) = name.filter(|name| self.golden.tensors.contains_key(name)) else {
            assert!(gradient.is_none(), "{path} has no reference");
            return;
        };
        let gradient = gradient.unwrap_or_else(|| panic!("{name}: no gradient"));
        self.golden.close(&name, gradient, self.tolerance);
        self.checked += 1;
    }
}
