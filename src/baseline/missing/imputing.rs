//! Golden values of the methods that impute: parameters of a head by their names, and batches.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use crate::baseline::missing::golden;
use crate::baseline::{JointHead, JointLoss, JointSamples, ModalityFeatures};
use crate::loss::{CrossEntropy, CrossEntropyConfig};
use crate::modality::{Presence, Targets};
use crate::module::{ParamVisitor, Visited, visit};

/// A file of golden values of a method that imputes.
pub(super) struct Golden(golden::Golden);

impl Golden {
    /// Reads `folder/name` of `tests/golden-missing`.
    pub(super) fn load(folder: &str, name: &str) -> Self {
        Self(golden::Golden::load(&format!("{folder}/{name}")))
    }

    pub(super) fn values(&self, name: &str) -> &[f64] {
        self.0.values(name)
    }

    pub(super) fn shape(&self, name: &str) -> &[usize] {
        self.0.shape(name)
    }

    pub(super) fn meta(&self, name: &str) -> f64 {
        self.0.meta[name].as_f64().unwrap()
    }

    pub(super) fn meta_list(&self, name: &str) -> Vec<usize> {
        let list = self.0.meta[name].as_array().unwrap().iter();
        list.map(|n| n.as_u64().unwrap() as usize).collect()
    }

    pub(super) fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        self.0.tensor(name, device)
    }

    pub(super) fn labels(&self, device: &Device) -> Targets {
        self.0.targets(device)
    }

    /// A modality mask of the file.
    pub(super) fn mask(&self, name: &str) -> Presence {
        self.0.mask(name)
    }

    /// Feature width of each modality.
    pub(super) fn d_features(&self) -> Vec<usize> {
        let n_modalities = self.shape("present")[1];
        let width = |m| self.shape(&format!("x.{m}"))[1];
        (0..n_modalities).map(width).collect()
    }

    /// The features that a mask leaves.
    pub(super) fn features(&self, mask: Presence, device: &Device) -> ModalityFeatures {
        let features = (0..mask.n_modalities()).map(|m| self.tensor(&format!("x.{m}"), device));
        ModalityFeatures::new(features.collect(), mask).unwrap()
    }

    /// Sets all parameters of a head.
    pub(super) fn set<M: Module>(&self, module: M) -> M {
        let path = vec![];
        module.map(&mut Set { golden: self, path })
    }

    /// Checks the gradients of all parameters under the name `prefix.<parameter>`; those that the file
    /// does not have must be 0 or missing.
    pub(super) fn check_gradients<M: Module>(
        &self,
        prefix: &str,
        module: &M,
        gradients: &GradientsParams,
    ) {
        let mut check = Check {
            golden: self,
            prefix,
            gradients,
            n_checked: 0,
        };
        visit(module, &mut check);
        assert!(check.n_checked > 10, "{} gradients", check.n_checked);
    }
}

/// The samples of a file as a training batch.
pub(super) struct Batch<'a> {
    golden: &'a Golden,
    targets: Targets,
    loss: CrossEntropy,
    device: Device,
}

impl<'a> Batch<'a> {
    pub(super) fn new(golden: &'a Golden, device: &Device) -> Self {
        Self {
            targets: golden.labels(device),
            loss: CrossEntropyConfig::new().init().unwrap(),
            device: device.clone(),
            golden,
        }
    }

    /// Samples with the modalities of `input`, and hidden ones up to those of `held`.
    pub(super) fn samples(&self, input: Presence, held: Option<Presence>) -> JointSamples<'_> {
        let held = held.map(|held| self.golden.features(held, &self.device));
        JointSamples {
            features: self.golden.features(input, &self.device),
            targets: &self.targets,
            samples: None,
            training_loss: &self.loss,
            held,
            step: 0,
        }
    }

    /// Samples whose missing modalities are hidden.
    pub(super) fn oracle(&self) -> JointSamples<'_> {
        let present = self.golden.mask("present");
        let complete = Presence::all(present.n_samples(), present.n_modalities());
        self.samples(present, Some(complete))
    }

    /// Samples of which one of the observed modalities is hidden: the loss of `ObservedOnly`.
    pub(super) fn observed(&self) -> JointSamples<'_> {
        self.samples(self.golden.mask("kept"), Some(self.golden.mask("present")))
    }
}

/// The loss of a head, and its gradients.
pub(super) fn backward<H: JointHead>(
    head: &H,
    samples: &JointSamples,
) -> (JointLoss, GradientsParams) {
    let found = head.loss(samples).unwrap();
    let mut gradients = found.loss.clone().backward();
    let gradients = GradientsParams::from_module(&mut gradients, head);
    (found, gradients)
}

/// The name of a parameter in the files.
fn name_of(path: &[String]) -> String {
    let parts = path.iter().filter_map(|part| match part.as_str() {
        "student" | "stacks" | "layers" => None,
        "encoders" => Some("encoder"),
        "decoders" => Some("decoder"),
        "blocks" => Some("block"),
        "network" => Some("ae"),
        part => Some(part),
    });
    parts.collect::<Vec<_>>().join(".")
}

struct Set<'a> {
    golden: &'a Golden,
    path: Vec<String>,
}

impl ModuleMapper for Set<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = name_of(&self.path);
        param.map(|old| {
            let value = self.golden.tensor::<D>(&name, &old.device().inner());
            assert_eq!(value.dims(), old.dims(), "{name}");
            Tensor::from_inner(value).require_grad()
        })
    }
}

struct Check<'a> {
    golden: &'a Golden,
    prefix: &'a str,
    gradients: &'a GradientsParams,
    n_checked: usize,
}

impl ParamVisitor for Check<'_> {
    fn visit<const D: usize>(&mut self, described: &Visited<'_>, param: &Param<Tensor<D>>) {
        let path = name_of(described.path);
        let path = match self.prefix {
            "teacher_grad" => path.replace("teacher.", ""),
            _ => path,
        };
        let name = format!("{}.{path}", self.prefix);
        let found = self.gradients.get::<D>(param.id);
        let is_teacher = described.path[0] == "teacher";
        if is_teacher != (self.prefix == "teacher_grad") {
            assert!(found.is_none(), "{name} of the other stage");
            return;
        }
        let found = found.unwrap_or_else(|| panic!("no gradient of {name}"));
        close(found, self.golden.values(&name), 3e-5, &name);
        self.n_checked += 1;
    }
}

/// Asserts that values are within `tolerance` of `1 + |value|`.
pub(super) fn close<const D: usize>(
    found: Tensor<D>,
    expected: &[f64],
    tolerance: f64,
    what: &str,
) {
    let found: Vec<f64> = found.into_data().iter().collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / (1.0 + expected.abs());
        assert!(error <= tolerance, "{what}, {at}: {found}, not {expected}");
    }
}
