//! A miniature of Kinetics-Sounds.

use std::fmt::Write;
use std::path::Path;

use rand::rngs::ChaCha12Rng;
use rand::{Rng, RngExt};

use super::ClassList;
use super::clip::{Clip, Entry, Place};
use crate::dataset::Split;
use crate::dataset::miniature::{
    Container, Miniature, MiniatureError, save_clip, save_frames, tone, write,
};
use crate::dataset::published::media::FRAMES;

const SECONDS: f32 = 2.2;

/// Writes a miniature of Kinetics-Sounds with the first of its 31 classes: annotations of Kinetics-400, videos or
/// prepared files, and lists as OGM-GE has them (`my_train.txt`, `my_test.txt`). Of each class, the last clip is for
/// testing and the one before it for validation.
///
/// With `ffmpeg`, the first video is damaged and has a replacement.
///
/// # Errors
///
/// A file that cannot be written, and `ffmpeg` that fails.
pub fn write_miniature(root: &Path, options: &Miniature) -> Result<(), MiniatureError> {
    let classes = ClassList::default().classes();
    let n_classes = options.n_classes.unwrap_or(classes.len());
    let mut entries: Vec<(usize, Entry)> = vec![];
    for (label, class) in classes.iter().enumerate().take(n_classes) {
        for number in 0..options.n_per_class {
            let split = match options.n_per_class - number {
                1 => Split::Test,
                2 => Split::Valid,
                _ => Split::Train,
            };
            let mut numbers = options.numbers(&format!("{class} {number}"));
            let clip = Clip {
                video: video(number, &mut numbers),
                start: numbers.random_range(0..300),
            };
            entries.push((
                label,
                Entry::new(clip, None, class, Some(split), Place::default()),
            ));
        }
    }
    for (at, (label, entry)) in entries.iter().enumerate() {
        media(root, options, *label, entry, at == 0)?;
    }
    tables(root, &entries)
}

/// An identity of YouTube: 11 characters, sometimes with `-` in front and `_` inside.
fn video(number: usize, numbers: &mut impl Rng) -> String {
    const CHARACTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let front = if number.is_multiple_of(2) { "-" } else { "a" };
    let inside = if number.is_multiple_of(3) { "__" } else { "b-" };
    let mut character = || char::from(CHARACTERS[numbers.random_range(0..64)]);
    let random: String = (0..8).map(|_| character()).collect();
    format!("{front}{inside}{random}")
}

fn part(entry: &Entry) -> &'static str {
    match entry.split {
        Some(Split::Test) => "test",
        Some(Split::Valid) => "val",
        _ => "train",
    }
}

fn media(
    root: &Path,
    options: &Miniature,
    label: usize,
    entry: &Entry,
    is_damaged: bool,
) -> Result<(), MiniatureError> {
    let name = entry.name();
    let mut numbers: ChaCha12Rng = options.numbers(&name);
    let Some(ffmpeg) = &options.ffmpeg else {
        let prepared = root.join("prepared");
        let sounds = prepared.join("audio");
        std::fs::create_dir_all(&sounds)?;
        let sound = tone(label, SECONDS, 16_000, &mut numbers)?;
        sound.save_wav(&sounds.join(format!("{name}.wav")))?;
        // 29.97 frames a second.
        return save_frames(
            &prepared.join(FRAMES).join(name),
            label,
            SECONDS,
            29,
            &mut numbers,
        );
    };
    let file = format!("{name}.mp4");
    let original = root.join(part(entry)).join(&file);
    let path = if is_damaged {
        write(&original, "damaged")?;
        let replacement = root.join("replacement/replacement_for_corrupted_k400");
        replacement.join(&file)
    } else {
        original
    };
    save_clip(ffmpeg, &path, Container::Mp4, label, SECONDS, &mut numbers)
}

fn tables(root: &Path, entries: &[(usize, Entry)]) -> Result<(), MiniatureError> {
    for name in ["train", "val", "test"] {
        // Older files lack the last column.
        let (last, flag) = if name == "train" {
            ("", "")
        } else {
            (",is_cc", ",0")
        };
        let mut table = format!("label,youtube_id,time_start,time_end,split{last}\n");
        let of_part = entries.iter().filter(|(_, entry)| part(entry) == name);
        for (
            _,
            Entry {
                clip, end, class, ..
            },
        ) in of_part
        {
            let label = if class.contains(' ') {
                format!("\"{class}\"")
            } else {
                class.clone()
            };
            let Clip { video, start } = clip;
            writeln!(table, "{label},{video},{start},{end},{name}{flag}")?;
        }
        // Classes of Kinetics-400 that are of no use here.
        writeln!(table, "abseiling,0123456789a,1,11,{name}{flag}")?;
        writeln!(table, "\"air drumming\",0123456789b,1,11,{name}{flag}")?;
        write(&root.join("annotations").join(format!("{name}.csv")), table)?;
    }
    let (mut train, mut test) = (String::new(), String::new());
    for (label, entry) in entries {
        let Clip { video, start } = &entry.clip;
        match entry.split {
            Some(Split::Train) => write!(train, "{},10,{label}\r\n", entry.name())?,
            Some(Split::Test) => write!(test, "{video}_{start},10,{label}\r\n")?,
            _ => {}
        }
    }
    write(&root.join("my_train.txt"), train)?;
    write(&root.join("my_test.txt"), test)
}
