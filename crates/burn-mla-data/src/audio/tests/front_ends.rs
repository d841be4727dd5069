//! Whole recipes, from a file to features.

use burn::config::Config;

use crate::DrawKey;
use crate::audio::{
    AudioError, AudioFeatures, AudioFrontEndConfig, DownMix, FbankConfig, SpecAugment,
};
use crate::fixtures::{self, Golden, assert_close};

#[test]
fn published_recipes_have_their_shapes() {
    let cases = [
        (AudioFrontEndConfig::mla_fbank(), [1024, 128]),
        (AudioFrontEndConfig::mla_cav_mae(), [1024, 128]),
        (AudioFrontEndConfig::ogm_kinetics_sounds(), [1024, 128]),
        // Three times half a second.
        (AudioFrontEndConfig::ogm_crema_d(), [257, 94]),
        (AudioFrontEndConfig::mla_spectrogram(), [129, 626]),
    ];
    for (config, shape) in cases {
        let front_end = config.init().unwrap();
        let features = front_end.read(&fixtures::path("sound/tone.flac")).unwrap();
        assert_eq!(features.shape(), shape, "{config:?}");
        assert!(features.values().iter().all(|x| x.is_finite()));
    }
}

/// The stereo file needs its mean over both channels, and channel 0.
#[test]
fn the_recipe_of_mla_is_the_published_array() {
    let config = AudioFrontEndConfig::mla_fbank().with_n_frames(None);
    let front_end = config.init().unwrap();
    for name in ["mono16k", "stereo16k"] {
        let path = fixtures::path(&format!("fbank/{name}.wav"));
        let (_, expected) = Golden::open("fbank").floats(name);
        let found = front_end.read(&path).unwrap();
        assert_close(found.values(), &expected, 1e-4, 2e-3);
    }
}

#[test]
fn augmentation_is_a_function_of_the_key() {
    let config = AudioFrontEndConfig::mla_spectrogram()
        .with_gain_db(Some((-6.0, 6.0)))
        .with_spec_augment(Some(SpecAugment::new(40, 10)));
    let front_end = config.init().unwrap();
    let path = fixtures::path("stft/s16k.wav");
    let read = |index| {
        let key = DrawKey {
            seed: 2,
            pass: 0,
            index,
        };
        front_end
            .read_augmented(&path, &mut key.numbers(0))
            .unwrap()
    };
    assert_eq!(read(0), read(0));
    assert_ne!(read(0), read(1));
    assert_eq!(
        front_end.read(&path).unwrap(),
        front_end.read(&path).unwrap()
    );
}

/// A checkpoint holds the recipe, and compares it.
#[test]
fn recipes_are_saved() {
    let config = AudioFrontEndConfig::mla_cav_mae().with_spec_augment(Some(SpecAugment::new(9, 8)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("front_end.json");
    config.save(&path).unwrap();
    let loaded = AudioFrontEndConfig::load(&path).unwrap();
    assert_eq!(loaded, config);
    assert_ne!(loaded, AudioFrontEndConfig::mla_cav_mae());
}

#[test]
fn errors_name_the_file() {
    let front_end = AudioFrontEndConfig::mla_fbank().init().unwrap();
    let path = fixtures::path("fbank/short16k.wav");
    let error = front_end.read(&path).unwrap_err();
    assert!(matches!(error, AudioError::File { .. }));
    let expected = "short16k.wav: 320 samples are shorter than one window of 400";
    assert!(error.to_string().ends_with(expected), "{error}");
    let features = AudioFeatures::Fbank(FbankConfig::kaldi(44_100));
    let other_rate = AudioFrontEndConfig::new(16_000, DownMix::Mean, features);
    assert!(matches!(
        other_rate.init(),
        Err(AudioError::SampleRate { .. })
    ));
}
