//! Every choice of a mel filter bank against librosa.

use rstest::rstest;

use crate::audio::{
    FbankConfig, MelConfig, MelNormalization, MelScale, MelTriangle, Padding, SpectrogramConfig,
    Spectrum, Waveform, Window,
};
use crate::fixtures::{Golden, assert_close};

#[rstest]
fn choices_are_those_of_librosa(
    #[values((MelScale::Htk, "htk"), (MelScale::Slaney, "slaney"))] scale: (MelScale, &str),
    #[values((MelNormalization::Peak, "peak"), (MelNormalization::Area, "area"))] normalization: (
        MelNormalization,
        &str,
    ),
    #[values((Spectrum::Power, "power"), (Spectrum::Magnitude, "magnitude"))] spectrum: (
        Spectrum,
        &str,
    ),
) {
    let golden = Golden::open("mel");
    let mel = MelConfig::new(scale.0, MelTriangle::InHertz, normalization.0).with_n_mels(40);
    let key = format!("{}_{}", scale.1, normalization.1);
    let (_, expected) = golden.floats(&key);
    let filters = mel.init(16_000, 512).unwrap();
    assert_close(&filters.matrix(), &expected, 1e-4, 1e-6);

    // 512 samples, which librosa's frames have without centring.
    let fbank = FbankConfig::new(16_000, Window::HannPeriodic, false, 0.0, spectrum.0, mel)
        .with_window_ms(32.0);
    let (_, wave) = golden.floats("wave");
    let wave = Waveform::new(wave, 1, 16_000).unwrap();
    let (shape, expected) = golden.floats(&format!("{key}_{}", spectrum.1));
    let found = fbank.init().unwrap().compute(&wave).unwrap();
    assert_eq!(found.shape().as_slice(), shape);
    assert_close(found.values(), &expected, 1e-4, 2e-3);
}

#[test]
fn reflected_ends_are_those_of_librosa() {
    let golden = Golden::open("mel");
    let (_, wave) = golden.floats("wave");
    let wave = Waveform::new(wave, 1, 16_000).unwrap();
    let config = SpectrogramConfig::new(256, 128, Window::HannPeriodic, Padding::Reflect);
    let found = config.init().unwrap().compute(&wave).unwrap();
    let (shape, expected) = golden.floats("reflect_256_128");
    assert_eq!(found.shape().as_slice(), shape);
    assert_close(found.values(), &expected, 1e-4, 2e-3);
}

/// Values of the definitions, by hand.
#[test]
fn windows_are_those_of_their_names() {
    let close = |window: Window, expected: [f32; 5]| {
        assert_close(&window.values(5), &expected, 0.0, 1e-6);
    };
    close(Window::HannSymmetric, [0.0, 0.5, 1.0, 0.5, 0.0]);
    let periodic = [0.0, 0.345_491_5, 0.904_508_5, 0.904_508_5, 0.345_491_5];
    close(Window::HannPeriodic, periodic);
    close(Window::HammingSymmetric, [0.08, 0.54, 1.0, 0.54, 0.08]);
    let povey = 0.5_f32.powf(0.85);
    close(Window::Povey, [0.0, povey, 1.0, povey, 0.0]);
    close(Window::Rectangular, [1.0; 5]);
    assert_eq!(Window::HannSymmetric.values(1), [0.0]);
}

#[test]
fn options_outside_of_their_range_are_named() {
    let kaldi = || FbankConfig::kaldi(16_000);
    let mel = |mel: MelConfig| FbankConfig { mel, ..kaldi() };
    let emphasis = FbankConfig {
        pre_emphasis: 2.0,
        ..kaldi()
    };
    let cases = [
        (kaldi().with_window_ms(0.01), "window_ms"),
        (kaldi().with_window_ms(f64::INFINITY), "window_ms"),
        (kaldi().with_window_ms(f64::NAN), "window_ms"),
        (kaldi().with_shift_ms(0.0), "shift_ms"),
        (emphasis, "pre_emphasis"),
        (kaldi().with_floor(0.0), "floor"),
        (FbankConfig::kaldi(0), "sample rate"),
        (mel(MelConfig::kaldi().with_n_mels(0)), "n_mels"),
        (mel(MelConfig::kaldi().with_low_hz(8000.0)), "low_hz"),
        (
            mel(MelConfig::kaldi().with_high_hz(Some(8001.0))),
            "high_hz",
        ),
        (mel(MelConfig::kaldi().with_high_hz(Some(10.0))), "high_hz"),
    ];
    for (config, name) in cases {
        let error = config.init().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    for (n_fft, hop) in [(255, 1), (0, 1), (256, 0), (1 << 21, 1)] {
        let config = SpectrogramConfig::new(n_fft, hop, Window::HannPeriodic, Padding::Zeros);
        assert!(config.init().is_err());
    }
}
