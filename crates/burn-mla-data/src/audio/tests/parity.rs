//! Filter banks and spectrograms against torchaudio and librosa.

use proptest::prelude::*;
use rstest::rstest;

use super::read;
use crate::audio::{
    AudioError, AudioNormalization, DownMix, Excerpt, FbankConfig, Padding, SpectrogramConfig,
    TimeFrequency, Waveform, Window,
};
use crate::fixtures::{Golden, assert_close};

fn published_fbank(name: &str) -> Result<TimeFrequency, AudioError> {
    let mut waveform = read(&format!("fbank/{name}.wav"));
    waveform.subtract_mean();
    let waveform = waveform.down_mix(DownMix::Channel(0)).unwrap();
    let config = FbankConfig::kaldi(waveform.sample_rate());
    config.init().unwrap().compute(&waveform)
}

#[rstest]
#[case("mono16k")]
#[case("long16k")]
#[case("mono44k")]
#[case("stereo16k")]
#[case("silence16k")]
#[case("exact25ms16k")]
fn filter_banks_are_those_of_kaldi(#[case] name: &str) {
    let (shape, expected) = Golden::open("fbank").floats(name);
    let found = published_fbank(name).unwrap();
    assert_eq!(found.shape().as_slice(), shape);
    assert_close(found.values(), &expected, 1e-4, 2e-3);
}

#[test]
fn filter_banks_are_cut_padded_and_normalized_as_published() {
    let golden = Golden::open("fbank");
    for n_frames in [64, 128] {
        let fixed = published_fbank("mono16k").unwrap().with_frames(n_frames);
        let (_, expected) = golden.floats(&format!("mono16k_fixed_{n_frames}"));
        assert_close(fixed.values(), &expected, 1e-4, 2e-3);
        let normalized = fixed.normalized(AudioNormalization::CAV_MAE);
        let (_, expected) = golden.floats(&format!("mono16k_fixed_{n_frames}_normalised"));
        assert_close(normalized.values(), &expected, 1e-4, 2e-3);
    }
}

#[test]
fn mel_filters_are_those_of_kaldi() {
    let filters = FbankConfig::kaldi(16_000).init().unwrap();
    let filters = filters.filters();
    assert_eq!(filters.empty(), [3]);
    let (_, expected) = Golden::open("fbank").floats("mel_banks_16k_512");
    // The golden matrix has no column for half of the rate.
    let matrix = filters.matrix();
    let found: Vec<f32> = matrix
        .chunks(257)
        .flat_map(|row| {
            assert_eq!(row[256], 0.0);
            &row[..256]
        })
        .copied()
        .collect();
    assert_close(&found, &expected, 0.0, 1e-4);
}

#[test]
fn shorter_than_a_window_is_an_error() {
    let error = published_fbank("short16k").unwrap_err();
    assert_eq!(
        error.to_string(),
        "320 samples are shorter than one window of 400"
    );
}

#[test]
fn a_second_of_silence_has_finite_features() {
    let silence = Waveform::new(vec![0.0; 16_000], 1, 16_000).unwrap();
    let fbank = FbankConfig::kaldi(16_000).init().unwrap();
    let values = fbank.compute(&silence).unwrap();
    assert!(values.values().iter().all(|x| *x == f32::EPSILON.ln()));
    let spectrogram = SpectrogramConfig::mla().init().unwrap();
    let values = spectrogram.compute(&silence).unwrap();
    assert!(values.values().iter().all(|x| *x == 1e-7_f32.ln()));
}

#[test]
fn spectrograms_are_those_of_librosa() {
    let golden = Golden::open("stft");
    let mla = SpectrogramConfig::mla().init().unwrap();
    let ogm = SpectrogramConfig::ogm().init().unwrap();
    let compare = |found: TimeFrequency, key: &str| {
        let (shape, expected) = golden.floats(key);
        assert_eq!(found.shape().as_slice(), shape, "{key}");
        assert_close(found.values(), &expected, 1e-4, 2e-3);
    };
    let short = read("stft/s16k.wav");
    compare(mla.compute(&short).unwrap(), "s16k_256_128");

    let published = |waveform: &Waveform| {
        let mut excerpt = Excerpt::OGM.cut(waveform, 0).unwrap();
        excerpt.clip();
        ogm.compute(&excerpt).unwrap()
    };
    compare(published(&read("stft/s22k.wav")), "s22k_ogm_512_353");
    compare(
        published(&read("stft/s22k_long.wav")),
        "s22k_long_ogm_512_353",
    );
    let (_, loud) = golden.floats("loud_input");
    let loud = Waveform::new(loud, 1, 22_050).unwrap();
    compare(published(&loud), "loud_ogm_512_353");
}

#[test]
fn mla_doubles_and_crops_as_published() {
    let mut excerpt = Excerpt::MLA.cut(&read("stft/s16k.wav"), 1234).unwrap();
    excerpt.clip();
    let found = SpectrogramConfig::mla().init().unwrap();
    let found = found.compute(&excerpt).unwrap();
    assert_eq!(found.shape(), [129, 626]);
    let (_, expected) = Golden::open("stft").floats("s16k_mla_tiled_frames_0_1_300_625");
    let frames = [0, 1, 300, 625];
    let found: Vec<f32> = (0..129)
        .flat_map(|bin| frames.map(|frame| found.values()[bin * 626 + frame]))
        .collect();
    assert_close(&found, &expected, 1e-4, 2e-3);
}

#[test]
fn spectra_have_their_phase() {
    let golden = Golden::open("stft");
    let (_, real) = golden.floats("s16k_256_128_first4_real");
    let (_, imaginary) = golden.floats("s16k_256_128_first4_imag");
    let spectrogram = SpectrogramConfig::mla().init().unwrap();
    let compare = |n: usize, bins: &[realfft::num_complex::Complex<f32>]| {
        for (bin, x) in bins.iter().enumerate().filter(|_| n < 4) {
            assert!((x.re - real[bin * 4 + n]).abs() < 1e-4);
            assert!((x.im - imaginary[bin * 4 + n]).abs() < 1e-4);
        }
    };
    spectrogram
        .transform(&read("stft/s16k.wav"), compare)
        .unwrap();
}

#[test]
fn other_waveforms_than_configured_are_refused() {
    let fbank = FbankConfig::kaldi(16_000).init().unwrap();
    let stereo = Waveform::new(vec![0.0; 2000], 2, 16_000).unwrap();
    let error = fbank.compute(&stereo).unwrap_err();
    assert!(error.to_string().contains("mix them down"), "{error}");
    let other = Waveform::new(vec![0.0; 2000], 1, 44_100).unwrap();
    let error = fbank.compute(&other).unwrap_err();
    assert!(error.to_string().starts_with("sample rate 44100 Hz"));
    let reflect = SpectrogramConfig::new(256, 128, Window::HannPeriodic, Padding::Reflect);
    let short = Waveform::new(vec![0.0; 128], 1, 16_000).unwrap();
    let error = reflect.init().unwrap().compute(&short).unwrap_err();
    assert!(matches!(error, AudioError::TooShort { window: 129, .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// A gain `g` adds `2 ln g` to the logarithm of power, above the floor.
    #[test]
    fn gains_shift_the_logarithm(gain in 0.1_f32..10.0, seed in any::<u32>()) {
        let wave: Vec<f32> = (0..800_u32)
            .map(|t| {
                let bits = t.wrapping_add(seed).wrapping_mul(2_654_435_761);
                (bits >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect();
        let louder = wave.iter().map(|x| gain * x).collect();
        let fbank = FbankConfig::kaldi(16_000).init().unwrap();
        let compute = |wave| {
            let waveform = Waveform::new(wave, 1, 16_000).unwrap();
            fbank.compute(&waveform).unwrap()
        };
        let (before, after) = (compute(wave), compute(louder));
        let floor = f32::EPSILON.ln();
        for (before, after) in before.values().iter().zip(after.values()) {
            if *before > floor + 1.0 && *after > floor + 1.0 {
                let shift = after - before - 2.0 * gain.ln();
                prop_assert!(shift.abs() < 1e-2, "{}", shift);
            }
        }
    }

    #[test]
    fn shapes_are_those_of_the_formulas(n in 1_usize..3000, hop in 1_usize..400) {
        let waveform = Waveform::new(vec![0.1; n], 1, 8000).unwrap();
        let config = SpectrogramConfig::new(64, hop, Window::HannPeriodic, Padding::Zeros);
        let shape = config.init().unwrap().compute(&waveform).unwrap().shape();
        prop_assert_eq!(shape, [33, 1 + n / hop]);
        let fbank = FbankConfig::kaldi(8000).init().unwrap().compute(&waveform);
        match fbank {
            Ok(features) => prop_assert_eq!(features.shape(), [1 + (n - 200) / 80, 128]),
            Err(_) => prop_assert!(n < 200),
        }
    }
}
