//! A modality that a trained model takes in later.

use crate::encoder::Encoders;
use crate::error::{MlaError, Result};
use crate::fusion::UncertaintyFusion;
use crate::head::SharedHead;
use crate::mla::Mla;
use crate::mla::model::check_widths;
use crate::module::{FloatParam, ModelNames, check_distinct, draw_parameters, float_params};
use crate::projector::OrthogonalProjector;

impl<E: Encoders, H: SharedHead, P: OrthogonalProjector, F: UncertaintyFusion> Mla<E, H, P, F> {
    /// The model with one more modality, the last one. Encoders, head and projector are kept: right after,
    /// predictions from the other modalities are the same, bit for bit.
    ///
    /// `add` takes the encoders and returns them with the new one at the end: `|(a, b)| (a, b, c)` for a
    /// tuple, a `push` for a `Vec`. `fusion` is made for the new number of modalities;
    /// [`ScoreFusion::with_modality`](crate::fusion::ScoreFusion::with_modality) keeps the temperatures of
    /// the others. The projector keeps what it protects, and the number of steps goes on. The turns of the
    /// new modality alone then train its encoder and, projected, the head, without data of the others. A
    /// head with a part per modality gets one for the new modality ([`SharedHead::with_modality`]).
    ///
    /// With [`modality_label_smoothing`](crate::MlaConfig::modality_label_smoothing), the new modality gets the
    /// common `label_smoothing`, or none.
    ///
    /// Parameters keep their ids. An optimizer that is used further therefore keeps its state for them. The
    /// new model has no [names](Self::with_names) of modalities.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_mla::prelude::*;
    ///
    /// let device = Device::flex();
    /// let encoder = |width: usize| MlpEncoderConfig::new(width, 16).init(&device);
    /// let head = LinearHeadConfig::new(16, 4).init(&device)?;
    /// let model = MlaConfig::new().init_default((encoder(20)?, encoder(30)?), head)?;
    /// // .. trained. Speech arrives later:
    /// let speech = encoder(40)?;
    /// let fusion = model.fusion.with_modality();
    /// let model = model.with_modality(|(audio, text)| (audio, text, speech), fusion)?;
    /// assert_eq!(model.n_modalities(), 3);
    /// # Ok::<(), MlaError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// - [`MlaError::ModalityCount`] when `add` does not add exactly one encoder, or for a fusion or a head of
    ///   another number of modalities;
    /// - [`MlaError::OtherEncoders`] when the encoders before the last one are not those of the model, by their
    ///   feature widths and parameters. Encoders without parameters and with the same width cannot be told
    ///   apart;
    /// - [`MlaError::FeatureWidths`] and [`MlaError::SharedParameter`] for the new encoder.
    pub fn with_modality<G: Encoders, K: UncertaintyFusion>(
        self,
        add: impl FnOnce(E) -> G,
        fusion: K,
    ) -> Result<Mla<G, H, P, K>> {
        let n_modalities = self.n_modalities();
        let before = float_params(&self.encoders);
        let widths = self.encoders.d_features();
        let encoders = add(self.encoders);
        let got = encoders.n_modalities();
        if got != n_modalities + 1 {
            return Err(MlaError::ModalityCount {
                what: "the encoders with the new one",
                expected: n_modalities + 1,
                got,
            });
        }
        if encoders.d_features()[..n_modalities] != widths {
            return Err(MlaError::OtherEncoders);
        }
        check_kept(&before, &float_params(&encoders), n_modalities)?;
        let head = self.head.with_modality();
        check_widths(&encoders.d_features(), head.d_feature())?;
        fusion.check(got)?;
        head.check(got)?;
        check_distinct(&encoders, &head)?;
        let mut config = self.config;
        if let Some(each) = &mut config.modality_label_smoothing {
            each.push(config.label_smoothing.unwrap_or(0.0));
        }
        Ok(Mla {
            encoders: draw_parameters(encoders),
            head: draw_parameters(head),
            fusion,
            projection: self.projection.with_modality(),
            config,
            loss: self.loss,
            names: ModelNames::new(Vec::<String>::new(), self.names.classes().to_vec()),
            #[cfg(feature = "train")]
            interruption: self.interruption,
        })
    }
}

/// Checks that all parameters are there in their order, before those of the last encoder.
fn check_kept(before: &[FloatParam], after: &[FloatParam], last: usize) -> Result<()> {
    let last = last.to_string();
    let kept = after
        .iter()
        .filter(|param| param.path.first() != Some(&last));
    let kept: Vec<_> = kept.map(|param| param.id).collect();
    let expected: Vec<_> = before.iter().map(|param| param.id).collect();
    if kept == expected {
        Ok(())
    } else {
        Err(MlaError::OtherEncoders)
    }
}
