//! Tests with programs. Those that need ffmpeg are ignored: run them with `cargo test -- --ignored`.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::audio::AudioReader;
use crate::fixtures;
use crate::image::{ImageFrontEnd, ImageReader};
use crate::video::{Ffmpeg, FrameSelection, VideoError, VideoFrontEnd, frame_files};
use crate::{ContentType, DrawKey};

/// A clip under a name that programs could take for something else.
fn odd_clip(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("-c:v %d 'a\".mp4");
    fs::copy(fixtures::path("sound/clip.mp4"), &path).unwrap();
    path
}

fn names(files: &[PathBuf]) -> Vec<&str> {
    files
        .iter()
        .filter_map(|path| path.file_name()?.to_str())
        .collect()
}

#[test]
#[ignore = "needs ffmpeg"]
fn frames_are_those_of_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let clip = odd_clip(&folder);
    let info = Ffmpeg::new().probe(&clip).unwrap();
    assert_eq!((info.width, info.height, info.has_audio), (64, 48, true));
    assert!((info.frame_rate - 29.97).abs() < 0.01);

    let root = folder.path().join("out");
    let files = Ffmpeg::new().extract_frames(&clip, &root).unwrap();
    // 75 frames at 29.97: 0, 29, 58.
    assert_eq!(names(&files), ["00000.jpg", "00029.jpg", "00058.jpg"]);
    let expected = root.join("Image-01-FPS/-c:v %d 'a\"");
    assert!(files.iter().all(|file| file.parent() == Some(&expected)));
    assert_eq!(root.join("Image-01-FPS").read_dir().unwrap().count(), 1);
    let pictures: Vec<_> = files
        .iter()
        .map(|file| ImageReader::new().read(file).unwrap())
        .collect();
    assert_eq!((pictures[0].width(), pictures[0].height()), (64, 48));
    assert_ne!(pictures[0], pictures[1]);

    // What exists is not written again.
    fs::write(&files[0], "kept").unwrap();
    assert_eq!(Ffmpeg::new().extract_frames(&clip, &root).unwrap(), files);
    assert_eq!(fs::read(&files[0]).unwrap(), b"kept");
}

#[test]
#[ignore = "needs ffmpeg"]
fn sound_is_written_at_the_rate_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let clip = odd_clip(&folder);
    let wav = folder.path().join("sounds/-%d.wav");
    let ffmpeg = Ffmpeg::new();
    ffmpeg.extract_audio(&clip, &wav, None, None).unwrap();
    let waveform = AudioReader::new().read(&wav).unwrap();
    assert_eq!((waveform.n_channels(), waveform.sample_rate()), (1, 16_000));
    ffmpeg
        .extract_audio(&clip, &wav, Some(8000), Some(2))
        .unwrap();
    let waveform = AudioReader::new().read(&wav).unwrap();
    assert_eq!((waveform.n_channels(), waveform.sample_rate()), (2, 8000));
    assert!((waveform.seconds() - 2.5).abs() < 0.2);
    assert_eq!(wav.parent().unwrap().read_dir().unwrap().count(), 1);
}

#[test]
#[ignore = "needs ffmpeg"]
fn errors_of_the_program_are_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let ffmpeg = Ffmpeg::new();
    let error = |path: &Path| {
        ffmpeg
            .extract_frames(path, folder.path())
            .unwrap_err()
            .to_string()
    };

    let noise = folder.path().join("noise.mp4");
    fs::write(&noise, [7; 5000]).unwrap();
    let message = error(&noise);
    assert!(
        message.contains("noise.mp4: ") && message.contains("Invalid data"),
        "{message}"
    );

    let mut bytes = fixtures::bytes("sound/clip.mp4");
    bytes.truncate(bytes.len() * 3 / 4);
    let cut = folder.path().join("cut.mp4");
    fs::write(&cut, bytes).unwrap();
    let message = error(&cut);
    assert!(message.contains("cut.mp4: `ffmpeg` failed: "), "{message}");
    let lenient = Ffmpeg::new().with_accept_damage(true);
    let left = lenient
        .extract_frames(&cut, &folder.path().join("left"))
        .unwrap();
    assert!(!left.is_empty());

    let sound = fixtures::path("sound/tone.wav");
    assert!(error(&sound).ends_with("no video stream"));
    let mute = fixtures::path("sound/mute.mp4");
    let wav = folder.path().join("mute.wav");
    let message = ffmpeg.extract_audio(&mute, &wav, None, None).unwrap_err();
    assert!(message.to_string().ends_with("mute.mp4: no audio stream"));
    // Nothing half-written is left.
    assert_eq!(folder.path().read_dir().unwrap().count(), 4);
    assert_eq!(
        folder
            .path()
            .join("Image-01-FPS")
            .read_dir()
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_program_that_is_not_installed_is_named() {
    let ffmpeg = Ffmpeg::new().with_ffprobe("ffprobe-that-is-not-there".into());
    let error = ffmpeg.probe(&fixtures::path("sound/clip.mp4")).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("`ffprobe-that-is-not-there` was not found"),
        "{message}"
    );
    assert!(message.contains("apt-get install ffmpeg"), "{message}");
    assert!(message.contains("clip.mp4"), "{message}");
}

#[test]
fn what_is_no_video_is_found_before_a_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    let ffmpeg = Ffmpeg::new().with_ffprobe("ffprobe-that-is-not-there".into());
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".as_slice();
    for (content, expected) in [
        (b"".as_slice(), ContentType::Empty),
        (pointer, ContentType::GitLfsPointer),
    ] {
        let path = folder.path().join("clip.flv");
        fs::write(&path, content).unwrap();
        let error = ffmpeg.probe(&path).unwrap_err().to_string();
        assert!(error.ends_with(&expected.to_string()), "{error}");
    }
    let missing = ffmpeg.probe(&folder.path().join("gone.mp4")).unwrap_err();
    assert!(missing.to_string().contains("gone.mp4: cannot be read"));
}

/// Programs of a test.
#[cfg(unix)]
mod programs {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    use super::*;

    fn script(folder: &TempDir, content: &str) -> String {
        let path = folder.path().join("program");
        fs::write(&path, format!("#!/bin/sh\n{content}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        path.to_str().unwrap().into()
    }

    fn probe(content: &str, seconds: u64) -> VideoError {
        let folder = tempfile::tempdir().unwrap();
        let ffmpeg = Ffmpeg::new()
            .with_ffprobe(script(&folder, content))
            .with_timeout_seconds(seconds);
        ffmpeg.probe(&fixtures::path("sound/clip.mp4")).unwrap_err()
    }

    #[test]
    fn a_program_that_hangs_is_killed() {
        let start = Instant::now();
        let error = probe("sleep 60; echo late", 1).to_string();
        assert!(error.ends_with("was stopped after 1 seconds"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_end_of_a_message_is_kept() {
        // More than a pipe holds.
        let content = "i=0; while [ $i -lt 9000 ]; do echo 'a line of noise' >&2; i=$((i+1)); done; echo end >&2; exit 3";
        let error = probe(content, 60).to_string();
        assert!(error.ends_with("end (exit status: 3)"), "{error}");
        assert!(error.len() < 3000);
    }

    #[test]
    fn other_output_is_an_error() {
        let error = probe("echo no json", 60).to_string();
        assert!(error.contains("expected JSON"), "{error}");
    }
}

#[test]
fn frames_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    // Written in another order than that of their numbers.
    let levels = [
        ("frame_10", "gray"),
        ("frame_9", "rgba"),
        ("frame_100", "wide"),
    ];
    for (name, image) in levels {
        let to = folder.path().join(format!("{name}.png"));
        fs::copy(fixtures::path(&format!("images/{image}.png")), to).unwrap();
    }
    fs::write(folder.path().join("._frame_1.png"), "macOS").unwrap();
    let files = frame_files(folder.path()).unwrap();
    assert_eq!(
        names(&files),
        ["frame_9.png", "frame_10.png", "frame_100.png"]
    );

    let key = DrawKey {
        seed: 0,
        pass: 0,
        index: 0,
    };
    let video = VideoFrontEnd::mla()
        .read(folder.path(), &mut key.numbers(0))
        .unwrap();
    assert_eq!(video.shape().as_slice(), [3, 3, 224, 224]);
    let second = VideoFrontEnd::mla()
        .frame
        .read(&files[1], &mut key.numbers(0))
        .unwrap();
    let plane = 224 * 224;
    let (video, second) = (
        video.as_slice::<f32>().unwrap(),
        second.as_slice::<f32>().unwrap(),
    );
    for channel in 0..3 {
        let found = &video[(channel * 3 + 1) * plane..][..plane];
        assert_eq!(found, &second[channel * plane..][..plane]);
    }

    fs::write(folder.path().join("frame_9.png"), "broken").unwrap();
    let broken = VideoFrontEnd::mla().read(folder.path(), &mut key.numbers(0));
    let message = broken.unwrap_err().to_string();
    assert!(
        message.contains("frame_9.png: expected a JPEG"),
        "{message}"
    );
}

#[test]
fn frames_of_unequal_size_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, image) in [("1", "wide"), ("2", "tall")] {
        let to = folder.path().join(format!("{name}.png"));
        fs::copy(fixtures::path(&format!("images/{image}.png")), to).unwrap();
    }
    let frame = ImageFrontEnd::new(vec![], crate::image::ImageNormalization::CLIP);
    let front_end = VideoFrontEnd::new(FrameSelection::Spaced { n: 2 }, frame);
    let key = DrawKey {
        seed: 0,
        pass: 0,
        index: 0,
    };
    let error = front_end
        .read(folder.path(), &mut key.numbers(0))
        .unwrap_err();
    assert!(
        error.to_string().contains("frame 1 is [3, 90, 41]"),
        "{error}"
    );
    let empty = tempfile::tempdir().unwrap();
    let error = front_end
        .read(empty.path(), &mut key.numbers(0))
        .unwrap_err();
    assert!(error.to_string().ends_with("no frames"));
}
