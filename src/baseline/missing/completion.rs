//! AE and CRA: features of all modalities are completed, classified, and decoded to what is missing.

use burn::config::Config;
use burn::module::{Module, ParamId};
use burn::tensor::{DType, Device, Tensor};

use crate::baseline::joint::check_sizes;
use crate::baseline::missing::cascade::{Autoencoder, Cascade, CompletionNetwork};
use crate::baseline::missing::networks::{
    Stack, StackOptions, Stacks, WeightInit, embedding_widths, widths,
};
use crate::baseline::missing::target::ImputeConfig;
use crate::baseline::{JointHead, JointLogits, JointLoss, JointSamples, ModalityFeatures};
use crate::error::{Result, check_order, not_negative};
use crate::module::param_ids;

/// Configuration of an [`Ae`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `d_features` | required | feature width of each modality | each >= 1 |
/// | `n_classes` | required | number of classes | >= 1 |
/// | `d_embedding` | `d_features` | width of each modality's embedding; `D` is their sum | each >= 1 |
/// | `hidden` | `[128, 128]` | widths of the hidden layers of encoders, decoders and classifier | each >= 1 |
/// | `layers` | `[256, 128]` | widths of the autoencoder's encoder | one or more, each >= 1 |
/// | `dropout` | 0.5 | dropout after each ReLU of encoders, decoders and classifier | `[0, 1)` |
/// | `reconstruction_weight` | 1 | weight `w` of the imputation error; 0 computes none | `[0, inf)` |
/// | `impute` | [`ImputeConfig`] | imputation targets | |
/// | `init` | `Burn` | initial values of the layers | |
#[derive(Config, Debug)]
pub struct AeConfig {
    /// Feature width of each modality.
    pub d_features: Vec<usize>,
    /// Number of classes.
    pub n_classes: usize,
    /// Width of each modality's embedding.
    pub d_embedding: Option<Vec<usize>>,
    /// Widths of the hidden layers of encoders, decoders and classifier.
    #[config(default = "vec![128, 128]")]
    pub hidden: Vec<usize>,
    /// Widths of the autoencoder's encoder.
    #[config(default = "vec![256, 128]")]
    pub layers: Vec<usize>,
    /// Dropout after each ReLU of encoders, decoders and classifier.
    #[config(default = 0.5)]
    pub dropout: f64,
    /// Weight of the imputation error.
    #[config(default = 1.0)]
    pub reconstruction_weight: f64,
    /// Imputation targets.
    #[config(default = "ImputeConfig::new()")]
    pub impute: ImputeConfig,
    /// Initial values of the layers.
    #[config(default = "WeightInit::Burn")]
    pub init: WeightInit,
}

/// Configuration of a [`Cra`].
///
/// | Name | Default | Purpose | Range |
/// |---|---|---|---|
/// | `ae` | required | all but the cascade, for two or more modalities; its `layers` are those of each residual autoencoder | |
/// | `blocks` | 2 | number `B` of residual autoencoders | >= 1 |
#[derive(Config, Debug)]
pub struct CraConfig {
    /// All but the cascade.
    pub ae: AeConfig,
    /// Number of residual autoencoders.
    #[config(default = 2)]
    pub blocks: usize,
}

/// A head that completes the features of all modalities and predicts from the result: [`Ae`] and
/// [`Cra`].
///
/// ```text
/// z      = [enc_1(h_1), .., enc_M(h_M)]        h_m = 0 where modality m is missing
/// u      = complete(z)
/// logits = cls(u)        imputed_m = dec_m(u)
/// loss   = CE(logits) + w R
/// R      = 1/n sum over samples and targets of |imputed_m - h_m|^2 / d_m
/// ```
///
/// with the [targets](crate::baseline::ImputeTarget) of the options. Modalities that the input has are not
/// reconstructed. `enc_m`, `dec_m` and `cls` are multilayer perceptrons. Targets are constants: encoders of
/// the model that train along get no gradient from them.
///
/// The unimodal prediction is that of a sample that has no other modality.
#[derive(Module, Debug)]
pub struct Completion<N: Module> {
    encoders: Stacks,
    network: N,
    decoders: Stacks,
    classifier: Stack,
    reconstruction_weight: f64,
    #[module(skip)]
    impute: ImputeConfig,
}

/// AE: an autoencoder completes the features; see [`Completion`].
///
/// `complete` is `Linear` and LeakyReLU for each width of `layers`, then back to `D` in the same way, with
/// ReLU at the end: `u` is not negative.
///
/// Source: the baseline of MMIN's and GCNet's code (zeroQiaoba/GCNet), used there on utterance vectors. It
/// has `R` as a sum over the batch; here it is the mean, and a weight of 1 is the published 0.004 at a
/// batch of 256. Its optimizer is Adam with a learning rate of 1e-3 and the betas 0.5 and 0.999, constant
/// for 20 of 100 epochs; the optimizer is yours. It clips the gradients of each network to the norm 5:
/// [`JointConfig::clip_norm`](crate::baseline::JointConfig::clip_norm).
pub type Ae = Completion<Autoencoder>;

/// CRA: a cascade of residual autoencoders completes the features; see [`Completion`].
///
/// ```text
/// r_b = dec_b(enc_b(z + r_1 + .. + r_(b-1)))        u = transition(z + r_1 + .. + r_B)
/// ```
///
/// Source: Tran et al., "Missing Modalities Imputation via Cascaded Residual Autoencoder", CVPR 2017, in the
/// form of GCNet's code (zeroQiaoba/GCNet), which trains all blocks with a classifier and a transition
/// instead of one block after the other on the data. What [`Ae`] says of its loss and optimizer holds here,
/// too.
pub type Cra = Completion<Cascade>;

impl AeConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a value outside of the ranges above, or no modality.
    pub fn init(&self, device: &Device) -> Result<Ae> {
        let embedding = self.embedding()?;
        let network = Autoencoder::init(embedding.iter().sum(), &self.layers, self.init, device)?;
        self.completion(network, &embedding, device)
    }

    /// Width of each modality's embedding.
    fn embedding(&self) -> Result<Vec<usize>> {
        check_sizes(&self.d_features, self.n_classes)?;
        embedding_widths(&self.d_features, &self.d_embedding)
    }

    /// The head around `network`.
    fn completion<N: CompletionNetwork>(
        &self,
        network: N,
        embedding: &[usize],
        device: &Device,
    ) -> Result<Completion<N>> {
        self.impute.check()?;
        let weight = not_negative("reconstruction_weight", self.reconstruction_weight)?;
        let mlp = StackOptions::mlp(self.dropout, self.init);
        let total = embedding.iter().sum();
        let pairs = self.d_features.iter().zip(embedding);
        let encoders = pairs.map(|(&from, &to)| widths(from, &self.hidden, to));
        let decoders = self.d_features.iter();
        let decoders = decoders.map(|&to| widths(total, &self.hidden, to));
        let classifier = widths(total, &self.hidden, self.n_classes);
        Ok(Completion {
            encoders: Stacks::init(mlp, encoders, device)?,
            network,
            decoders: Stacks::init(mlp, decoders, device)?,
            classifier: mlp.init(&classifier, device)?,
            reconstruction_weight: weight,
            impute: self.impute.clone(),
        })
    }
}

impl CraConfig {
    /// Initializes the head on `device`.
    ///
    /// # Errors
    ///
    /// [`MlaError`](crate::MlaError) for a value outside of the ranges above.
    pub fn init(&self, device: &Device) -> Result<Cra> {
        let ae = &self.ae;
        let n_modalities = ae.d_features.len();
        check_order("number of modalities", n_modalities, "at least 2", 2)?;
        let embedding = ae.embedding()?;
        let width = embedding.iter().sum();
        let network = Cascade::init(width, &ae.layers, self.blocks, ae.init, device)?;
        ae.completion(network, &embedding, device)
    }
}

impl<N: CompletionNetwork> Completion<N> {
    /// The imputation: the decoded features of each modality, `[n_samples, d_feature]`, also of those
    /// that a sample has. Call it on [`valid`](Module::valid).
    pub fn imputed(&self, features: &ModalityFeatures) -> Vec<Tensor<2>> {
        self.decoders.of_one(&self.completed(features))
    }

    /// The completed features `u`, `[n_samples, D]`.
    fn completed(&self, features: &ModalityFeatures) -> Tensor<2> {
        self.network.complete(self.encoders.concatenated(features))
    }
}

impl<N: CompletionNetwork> JointHead for Completion<N> {
    fn fuse(&self, features: &ModalityFeatures) -> JointLogits {
        JointLogits::unweighted(self.classifier.forward(self.completed(features)))
    }

    /// # Errors
    ///
    /// [`MlaError::NothingHidden`](crate::MlaError::NothingHidden) for an oracle and a batch that lacks
    /// modalities and has no hidden inputs.
    fn loss(&self, samples: &JointSamples) -> Result<JointLoss> {
        let has_target = self.reconstruction_weight > 0.0;
        let imputation = self.impute.split(samples, has_target)?;
        let completed = self.completed(&imputation.input);
        let logits = self.classifier.forward(completed.clone());
        let mut loss = samples.loss(logits.clone(), samples.targets)?;
        if has_target {
            let error = imputation.error(&self.decoders.of_one(&completed));
            loss = loss.cast(DType::F32) + error.cast(DType::F32) * self.reconstruction_weight;
        }
        Ok(JointLoss::unobserved(loss, logits))
    }

    fn uses_hidden(&self) -> bool {
        self.impute.is_oracle() && self.reconstruction_weight > 0.0
    }

    /// Each encoder and each decoder of a modality, the network between them, the classifier.
    fn networks(&self) -> Vec<Vec<ParamId>> {
        let mut networks = self.encoders.networks();
        networks.extend(self.decoders.networks());
        networks.extend([param_ids(&self.network), param_ids(&self.classifier)]);
        networks
    }

    fn n_classes(&self) -> usize {
        self.classifier.d_output()
    }

    fn check(&self, d_features: &[usize]) -> Result<()> {
        self.encoders.check(d_features)
    }

    fn describe(&self) -> String {
        N::NAME.to_string()
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::baseline::ImputeTarget;
    use crate::baseline::missing::imputing::{Batch, Golden, backward, close};
    use crate::test_devices;

    /// Width of each modality's embedding in a file.
    fn embedding(golden: &Golden) -> Option<Vec<usize>> {
        let width = |m| golden.shape(&format!("encoder.{m}.2.bias"))[0];
        Some((0..golden.d_features().len()).map(width).collect())
    }

    /// The files weigh the sum over the batch.
    fn weight(golden: &Golden) -> f64 {
        golden.meta("reconstruction_weight") * golden.shape("labels")[0] as f64
    }

    fn oracle() -> ImputeConfig {
        ImputeConfig::new().with_target(ImputeTarget::Oracle)
    }

    fn check<N: CompletionNetwork>(golden: &Golden, head: Completion<N>, device: &Device) {
        let head = golden.set(head);
        let batch = Batch::new(golden, device);
        for (prefix, samples) in [("", batch.oracle()), ("observed_", batch.observed())] {
            let named = |name: &str| golden.values(&format!("{prefix}{name}"));
            let (found, gradients) = backward(&head, &samples);
            close(found.loss, named("total"), 1e-5, "total");
            close(found.logits, named("logits"), 1e-5, "logits");
            let completed = head.completed(&samples.features);
            close(completed, named("fused"), 1e-5, "fused");
            let imputed = head.imputed(&samples.features);
            let error = head.impute.split(&samples, true).unwrap().error(&imputed);
            let sum = error * samples.targets.len() as f64;
            close(sum, named("reconstruction_sum"), 1e-5, "reconstruction_sum");
            if prefix.is_empty() {
                golden.check_gradients("grad", &head, &gradients);
                for (m, imputed) in imputed.into_iter().enumerate() {
                    let name = format!("imputed.{m}");
                    close(imputed, golden.values(&name), 1e-5, &name);
                }
            }
        }
    }

    fn config(golden: &Golden) -> AeConfig {
        AeConfig::new(golden.d_features(), golden.meta("n_classes") as usize)
            .with_d_embedding(embedding(golden))
            .with_hidden(golden.meta_list("hidden"))
            .with_layers(golden.meta_list("layers"))
            .with_dropout(0.0)
            .with_reconstruction_weight(weight(golden))
            .with_impute(oracle())
    }

    #[rstest]
    fn ae_has_the_golden_values(#[values(2, 3, 4)] n_modalities: usize) {
        let golden = Golden::load("ae", &format!("{n_modalities}_modalities"));
        for device in test_devices() {
            let device = device.autodiff();
            let head = config(&golden).init(&device).unwrap();
            check(&golden, head, &device);
        }
    }

    #[rstest]
    fn cra_has_the_golden_values(#[values(2, 3, 4)] n_modalities: usize) {
        let golden = Golden::load("cra", &format!("{n_modalities}_modalities"));
        for device in test_devices() {
            let device = device.autodiff();
            let head = CraConfig::new(config(&golden));
            let head = head.with_blocks(golden.meta("blocks") as usize);
            check(&golden, head.init(&device).unwrap(), &device);
        }
    }

    /// Without residuals the cascade is its transition.
    #[test]
    fn a_cascade_of_zero_residuals_is_its_transition() {
        for device in test_devices() {
            let mut cascade = Cascade::init(5, &[4, 3], 3, WeightInit::Burn, &device).unwrap();
            for block in &mut cascade.blocks {
                block.decoder.silence();
            }
            let z = Tensor::from_floats([[1.0, -2.0, 0.5, 3.0, -1.0]], &device);
            let found = cascade.complete(z.clone());
            let expected = cascade.transition.forward(z);
            found.into_data().assert_eq(&expected.into_data(), true);
        }
    }

    #[test]
    fn completed_features_of_an_autoencoder_are_not_negative() {
        for device in test_devices() {
            let network = Autoencoder::init(5, &[4, 3], WeightInit::Burn, &device).unwrap();
            let z = Tensor::random(
                [20, 5],
                burn::tensor::Distribution::Normal(0.0, 3.0),
                &device,
            );
            assert!(network.complete(z).min().into_scalar::<f32>() >= 0.0);
        }
    }

    /// Nothing is missing, nothing is imputed: the loss is exactly the cross-entropy.
    #[test]
    fn without_targets_the_error_is_exactly_0() {
        let golden = Golden::load("ae", "3_modalities");
        for device in test_devices() {
            let device = device.autodiff();
            let complete = crate::modality::Presence::all(8, 3);
            let head = AeConfig::new(golden.d_features(), 4).with_dropout(0.0);
            let head = head.with_impute(oracle()).init(&device).unwrap();
            let batch = Batch::new(&golden, &device);
            let samples = batch.samples(complete.clone(), Some(complete));
            let found = head.loss(&samples).unwrap();
            let expected = samples.loss(found.logits, samples.targets).unwrap();
            let (found, expected) = (found.loss.into_data(), expected.into_data());
            found.assert_eq(&expected, true);
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let device = Device::flex();
        let ae = || AeConfig::new(vec![3, 4], 2);
        assert!(ae().with_layers(vec![]).init(&device).is_err());
        assert!(ae().with_hidden(vec![0]).init(&device).is_err());
        assert!(ae().with_dropout(1.0).init(&device).is_err());
        assert!(ae().with_reconstruction_weight(-1.0).init(&device).is_err());
        let impute = ImputeConfig::new().with_hide_probability(f64::NAN);
        assert!(ae().with_impute(impute).init(&device).is_err());
        let error = ae().with_d_embedding(Some(vec![2])).init(&device);
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "d_embedding has 1 modalities, expected 2");
        assert!(CraConfig::new(ae()).with_blocks(0).init(&device).is_err());
        let single = CraConfig::new(AeConfig::new(vec![3], 2));
        let error = single.init(&device).unwrap_err();
        let expected = "number of modalities must be at least 2, got 1";
        assert_eq!(error.to_string(), expected);
        assert!(AeConfig::new(vec![], 2).init(&device).is_err());
    }

    /// Each initialization has its documented deviation; biases are 0 except for Burn's.
    #[rstest]
    #[case(WeightInit::Burn, 1.0 / 1200.0_f64.sqrt())]
    #[case(WeightInit::KaimingNormal, (2.0_f64 / 400.0).sqrt())]
    #[case(WeightInit::SmallNormal, 0.02)]
    fn weights_have_their_deviation(#[case] init: WeightInit, #[case] expected: f64) {
        for device in test_devices() {
            let stack = StackOptions::mlp(0.0, init)
                .init(&[400, 50], &device)
                .unwrap();
            let values = |tensor: Tensor<1>| -> Vec<f64> { tensor.into_data().iter().collect() };
            let layer = stack.layer(0);
            let weights = values(layer.weight.val().reshape([-1]));
            let mean_square = weights.iter().map(|w| w * w).sum::<f64>() / weights.len() as f64;
            assert!(
                (mean_square.sqrt() / expected - 1.0).abs() < 0.05,
                "{init:?}"
            );
            let biases = values(layer.bias.clone().unwrap().val());
            let are_0 = biases.iter().all(|&bias| bias == 0.0);
            assert_eq!(are_0, init != WeightInit::Burn, "{init:?}");
        }
    }

    #[test]
    fn one_modality_is_enough_for_an_autoencoder() {
        for device in test_devices() {
            let head = AeConfig::new(vec![3], 2).init(&device).unwrap();
            let features = ModalityFeatures::complete(vec![Tensor::ones([4, 3], &device)]).unwrap();
            assert_eq!(head.fuse(&features).logits.dims(), [4, 2]);
            assert_eq!(head.imputed(&features)[0].dims(), [4, 3]);
        }
    }
}
