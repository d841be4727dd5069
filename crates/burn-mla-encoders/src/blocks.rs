//! Blocks of an encoder: freezing by name, and parameter groups and learning rates per block.

use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrSchedulerConfig;
use burn::module::{Flag, Module, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Bool, Int, Tensor};
use burn_mla::MlaError;
use burn_mla::encoder::Encoder;

/// An encoder that names its blocks, which [`layer_decay`] and [`freeze_first`] need.
pub trait Blocks: Encoder {
    /// The blocks from the input to the output, each as the paths of its modules.
    ///
    /// Parameters outside of all blocks, such as a projection behind the last, keep the base learning
    /// rate.
    fn blocks(&self) -> Vec<Vec<String>>;
}

/// A name without a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no module of {module} is called {name}; its modules are {}", known.join(", "))]
#[non_exhaustive]
pub struct UnknownModule {
    /// The name.
    pub name: String,
    /// The type of the module that was searched.
    pub module: String,
    /// The names of its modules.
    pub known: Vec<String>,
}

/// Freezes parts of a module by their paths, such as `layer1` or `layer4.0.conv1`.
///
/// Their parameters do not train, and their batch normalizations use and keep their running
/// statistics. Burn's [`Module::freeze`] freezes the whole.
///
/// ```
/// use burn::tensor::Device;
/// use burn_mla::modality::ImageBatch;
/// use burn_mla_encoders::blocks::freeze;
/// use burn_mla_encoders::resnet::ResNetConfig;
///
/// let device = Device::flex().autodiff();
/// let encoder = ResNetConfig::resnet18().init::<ImageBatch>(&device)?;
/// let encoder = freeze(encoder, &["conv1", "bn1", "layer1"])?;
/// assert!(freeze(encoder, &["layer5"]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`UnknownModule`] for a name that no path starts with.
pub fn freeze<M: Module>(module: M, names: &[&str]) -> Result<M, UnknownModule> {
    let group = named(&module, names)?;
    Ok(module.freeze_group(group))
}

/// Trains parts of a module by their paths, such as the last block of a module that was frozen.
///
/// # Errors
///
/// As [`freeze`].
pub fn unfreeze<M: Module>(module: M, names: &[&str]) -> Result<M, UnknownModule> {
    let group = named(&module, names)?;
    Ok(module.unfreeze_group(group))
}

/// Freezes the first `n_blocks` blocks of an encoder.
///
/// # Errors
///
/// [`MlaError::HyperParameter`] if the encoder has fewer blocks.
pub fn freeze_first<E: Blocks>(encoder: E, n_blocks: usize) -> burn_mla::Result<E> {
    let blocks = encoder.blocks();
    let Some(first) = blocks.get(..n_blocks) else {
        return Err(MlaError::HyperParameter {
            name: "number of frozen blocks",
            requirement: "at most the number of blocks of the encoder",
            value: n_blocks as f64,
        });
    };
    let paths = paths(&encoder);
    let group = group(paths.iter().filter(|path| is_in(path, &first.concat())), "");
    Ok(encoder.freeze_group(group))
}

/// Returns the parameters of each block of encoder `modality` of an [`Mla`](burn_mla::Mla), from the
/// input to the output, for Burn's [`ModuleOptimizer::with_group`] and
/// [`ModuleLrSchedulerConfig::with_group`].
///
/// The groups match paths within the model and therefore stay valid after a record is loaded.
///
/// [`ModuleOptimizer::with_group`]: burn::optim::ModuleOptimizer::with_group
pub fn block_groups<E: Blocks>(encoder: &E, modality: usize) -> Vec<ParamGroup> {
    let paths = paths(encoder);
    let root = format!("encoders.{modality}.");
    let blocks = encoder.blocks();
    let groups = blocks.iter().map(|block| {
        let paths = paths.iter().filter(|path| is_in(path, block));
        group(paths, &root)
    });
    groups.collect()
}

/// Adds learning rates that decay from the output to the input of encoder `modality` of an
/// [`Mla`](burn_mla::Mla), as in the fine-tuning of BEiT (Bao et al., ICLR 2022).
///
/// The last block has `decay` times the learning rate, the one before it `decay^2`, and so on.
/// `schedule` returns the schedule for such a factor: a number, or the configuration of any of Burn's
/// schedules. The head and what is in no block keep the base schedule of `config`. Set momentum, weight
/// decay and other options per block by [`block_groups`].
///
/// ```
/// use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
/// use burn::lr_scheduler::module_lr_scheduler::ModuleLrSchedulerConfig;
/// use burn::tensor::Device;
/// use burn_mla::modality::ImageBatch;
/// use burn_mla_encoders::blocks::layer_decay;
/// use burn_mla_encoders::resnet::ResNetConfig;
///
/// let encoder = ResNetConfig::resnet18().init::<ImageBatch>(&Device::flex())?;
/// // From 1e-3 to 0 in 500 turns, and from less in the blocks of the encoder.
/// let cosine = |factor| CosineAnnealingLrSchedulerConfig::new(1e-3 * factor, 500);
/// let config = ModuleLrSchedulerConfig::new(cosine(1.0).into());
/// let mut scheduler = layer_decay(config, &encoder, 0, 0.75, cosine)?.init()?;
/// assert_eq!(scheduler.step().base(), 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`MlaError::HyperParameter`] if `decay` is not in `(0, 1]`.
pub fn layer_decay<E: Blocks, S: Into<LrSchedulerConfig>>(
    config: ModuleLrSchedulerConfig,
    encoder: &E,
    modality: usize,
    decay: f64,
    schedule: impl Fn(f64) -> S,
) -> burn_mla::Result<ModuleLrSchedulerConfig> {
    if !(decay > 0.0 && decay <= 1.0) {
        return Err(MlaError::HyperParameter {
            name: "decay",
            requirement: "in (0, 1]",
            value: decay,
        });
    }
    let mut factor = 1.0;
    let groups = block_groups(encoder, modality).into_iter().rev();
    Ok(groups.fold(config, |config, group| {
        factor *= decay;
        config.with_group(group, schedule(factor))
    }))
}

/// The blocks of an encoder: the modules in front of the first block together, then each element of
/// the lists, which are given by name and length.
pub(crate) fn in_order(front: &[&str], lists: &[(&str, usize)]) -> Vec<Vec<String>> {
    let front = front.iter().map(|name| (*name).to_string()).collect();
    let elements = lists
        .iter()
        .flat_map(|(name, n)| (0..*n).map(move |index| vec![format!("{name}.{index}")]));
    std::iter::once(front).chain(elements).collect()
}

/// The parameters whose paths start with one of `names`.
fn named<M: Module>(module: &M, names: &[&str]) -> Result<ParamGroup, UnknownModule> {
    let paths = paths(module);
    for name in names {
        if !paths.iter().any(|path| is_in(path, &[name])) {
            let mut known: Vec<String> = paths
                .iter()
                .filter_map(|path| path.split('.').next())
                .map(String::from)
                .collect();
            known.dedup();
            let module = std::any::type_name::<M>()
                .split('<')
                .next()
                .unwrap_or_default();
            let module = module.rsplit("::").next().unwrap_or_default();
            return Err(UnknownModule {
                name: (*name).to_string(),
                module: module.to_string(),
                known,
            });
        }
    }
    Ok(group(paths.iter().filter(|path| is_in(path, names)), ""))
}

fn group<'a>(paths: impl Iterator<Item = &'a String>, root: &str) -> ParamGroup {
    ParamGroup::from_paths(paths.map(|path| format!("{root}{path}")).collect())
}

/// Whether a path is that of a module of `names`, or within it.
fn is_in(path: &str, names: &[impl AsRef<str>]) -> bool {
    names.iter().any(|name| {
        let rest = path.strip_prefix(name.as_ref());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The paths of all parameters and training flags of a module.
fn paths<M: Module>(module: &M) -> Vec<String> {
    #[derive(Default)]
    struct Paths {
        path: Vec<String>,
        found: Vec<String>,
    }

    impl Paths {
        fn add(&mut self) {
            self.found.push(self.path.join("."));
        }
    }

    impl ModuleVisitor for Paths {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_string());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.add();
        }

        fn visit_int<const D: usize>(&mut self, _: &Param<Tensor<D, Int>>) {
            self.add();
        }

        fn visit_bool<const D: usize>(&mut self, _: &Param<Tensor<D, Bool>>) {
            self.add();
        }

        fn visit_flag(&mut self, _: &Param<Flag>) {
            self.add();
        }
    }

    let mut paths = Paths::default();
    module.visit(&mut paths);
    paths.found
}
