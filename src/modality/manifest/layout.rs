//! The JSON layout of a manifest file, and its conversions.

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::error::MlaError;
use crate::modality::manifest::check_samples;
use crate::modality::{ManifestProblem, MissingManifest, MissingProtocol, MissingRate, Presence};

/// In UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) const FORMAT: &str = "burn-mla missing modalities";
/// To be raised with every change that an older version would misread. Version 2 has protocols; masks of
/// independent drops are written as version 1.
const VERSION: u64 = 2;

impl MissingManifest {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ManifestProblem> {
        // JSON allows no byte-order mark, but some editors write one.
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let header: Header = serde_json::from_slice(bytes).map_err(|error| {
            let message = error.to_string();
            match error.classify() {
                Category::Eof => ManifestProblem::Truncated { message },
                _ => ManifestProblem::Foreign { message },
            }
        })?;
        if header.format != FORMAT {
            let message = format!("its format is `{}`", header.format);
            return Err(ManifestProblem::Foreign { message });
        }
        if !(1..=VERSION).contains(&header.version) {
            return Err(ManifestProblem::Version {
                version: header.version,
                known: VERSION,
            });
        }
        let layout: Layout =
            serde_json::from_slice(bytes).map_err(|error| ManifestProblem::Field {
                message: error.to_string(),
            })?;
        Self::from_layout(layout)
    }

    pub(super) fn to_layout(&self) -> Layout {
        let digit = |present| if present { '1' } else { '0' };
        let row = |presence: &Presence, sample| {
            (0..self.modalities.len())
                .map(|modality| digit(presence.is_present(sample, modality)))
                .collect()
        };
        let split = |(name, presence): &(String, Presence)| Split {
            name: name.clone(),
            n_samples: presence.n_samples(),
            mask: (0..presence.n_samples())
                .map(|sample| row(presence, sample))
                .collect(),
        };
        Layout {
            format: FORMAT.to_string(),
            version: match self.rate.protocol() {
                MissingProtocol::Independent => 1,
                MissingProtocol::CpmNets => 2,
            },
            rate: self.rate.rate(),
            seed: self.rate.seed(),
            protocol: self.rate.protocol(),
            modalities: self.modalities.clone(),
            splits: self.splits.iter().map(split).collect(),
        }
    }

    fn from_layout(layout: Layout) -> Result<Self, ManifestProblem> {
        let rate = MissingRate::new(layout.rate, layout.seed)
            .map_err(|_| ManifestProblem::Rate { rate: layout.rate })?
            .with_protocol(layout.protocol);
        let n_modalities = layout.modalities.len();
        if n_modalities == 0 {
            return Err(ManifestProblem::NoModalities);
        }
        let splits = layout.splits.into_iter().map(|split| {
            let presence = split.presence(n_modalities)?;
            check_samples(&split.name, &presence, split.n_samples)?;
            Ok((split.name, presence))
        });
        let splits = splits.collect::<Result<Vec<_>, ManifestProblem>>()?;
        Self::checked(rate, layout.modalities, splits)
    }
}

/// The fields that every version of the format has.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    format: String,
    version: u64,
    rate: f64,
    seed: u64,
    #[serde(default, skip_serializing_if = "is_independent")]
    protocol: MissingProtocol,
    modalities: Vec<String>,
    splits: Vec<Split>,
}

fn is_independent(protocol: &MissingProtocol) -> bool {
    *protocol == MissingProtocol::Independent
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    name: String,
    n_samples: usize,
    mask: Vec<String>,
}

impl Split {
    fn presence(&self, n_modalities: usize) -> Result<Presence, ManifestProblem> {
        let mut mask = Vec::with_capacity(self.mask.len() * n_modalities);
        for (sample, row) in self.mask.iter().enumerate() {
            let digits = row.bytes().all(|digit| matches!(digit, b'0' | b'1'));
            if !digits || row.len() != n_modalities {
                return Err(ManifestProblem::Row {
                    split: self.name.clone(),
                    sample,
                    row: row.clone(),
                    n_modalities,
                });
            }
            mask.extend(row.bytes().map(|digit| digit == b'1'));
        }
        Presence::from_mask(mask, n_modalities).map_err(|error| match error {
            MlaError::NothingPresent { sample } => ManifestProblem::NothingPresent {
                split: self.name.clone(),
                sample,
            },
            other => ManifestProblem::Field {
                message: other.to_string(),
            },
        })
    }
}
