//! A miniature of IEMOCAP: synthetic sound, pictures and words in the released folders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rand::Rng;

use super::FRAMES;
use crate::dataset::miniature::{
    Miniature, MiniatureError, picture, save_jpeg, save_vocabulary, sentence, tone, write,
};
use crate::image::RgbImage;
use crate::video::Ffmpeg;

/// Labels of each class, in MLA's order.
const LABELS: [&[&str]; 4] = [&["ang"], &["hap", "exc"], &["neu"], &["sad"]];
const CLASSES: [&str; 4] = ["Angry", "Happy", "Neutral", "Sad"];
/// The picture of the listener, and of utterances of no class.
const LISTENER: usize = 33;
/// Seconds from one utterance to the next, of which the first one is speech.
const TURN: f64 = 1.6;
/// Width and height of half of a frame.
const HALF: (usize, usize) = (32, 24);
const FRAMES_PER_SECOND: usize = 5;

/// An utterance of the miniature.
struct Turn {
    id: String,
    label: &'static str,
    class: usize,
    text: String,
    /// Whether the speaker wears the markers.
    is_left: bool,
}

#[derive(Default)]
struct Dialog {
    name: String,
    turns: Vec<Turn>,
}

/// Writes a miniature of the release: `<root>/IEMOCAP_full_release` with five sessions of two dialogs each, label
/// files with the opinions of raters, transcriptions with lines without a name, and sound. Excited and happy
/// alternate, and each session has an utterance of label `xxx`; there are one `oth` and one `fru`.
///
/// With [`ffmpeg`](Miniature::ffmpeg) there are videos of both speakers, of which
/// [`prepare`](super::Iemocap::prepare) makes frames; without it, the frames are written as prepared ones. There
/// are at most four classes. Beside the release are lists as MLA's, `my_train_iemo.txt` and `my_test_iemo.txt`, and
/// `vocab.txt` for a WordPiece tokenizer.
///
/// # Errors
///
/// A file that cannot be written, or an error of ffmpeg.
pub fn write_miniature(root: &Path, options: &Miniature) -> Result<(), MiniatureError> {
    let release = root.join("IEMOCAP_full_release");
    let mut sessions: [[Dialog; 2]; 5] = Default::default();
    for (at, dialogs) in sessions.iter_mut().enumerate() {
        dialogs[0].name = format!("Ses{:02}F_impro01", at + 1);
        dialogs[1].name = format!("Ses{:02}M_script01_1", at + 1);
    }
    let n_classes = options.n_classes.unwrap_or(LABELS.len()).min(LABELS.len());
    for (class, labels) in LABELS.iter().enumerate().take(n_classes) {
        for at in 0..options.n_per_class {
            let label = labels[at % labels.len()];
            add(&mut sessions[(at + class) % 5], label, class, options);
        }
    }
    for (at, session) in sessions.iter_mut().enumerate() {
        add(session, "xxx", LISTENER, options);
        if let Some(label) = ["oth", "fru"].get(at) {
            add(session, label, LISTENER, options);
        }
    }
    for (session, dialogs) in (1..).zip(&sessions) {
        let folder = release.join(format!("Session{session}"));
        // As macOS leaves them, and a folder of single raters.
        let labels = folder.join("dialog/EmoEvaluation");
        write(
            &labels.join(format!("._{}.txt", dialogs[0].name)),
            b"\0\x05\x16\x07",
        )?;
        write(
            &labels.join(format!("Categorical/{}_e1.txt", dialogs[0].name)),
            "",
        )?;
        for dialog in dialogs.iter().filter(|dialog| !dialog.turns.is_empty()) {
            write_dialog(root, &folder, dialog, options)?;
        }
    }
    write_lists(root, &sessions)?;
    let turns = sessions.iter().flatten().flat_map(|dialog| &dialog.turns);
    let texts = turns.map(|turn| turn.text.as_str());
    save_vocabulary(&root.join("vocab.txt"), texts)
}

/// MLA's lists: of five utterances with a class, three are for training and one for testing.
fn write_lists(root: &Path, sessions: &[[Dialog; 2]; 5]) -> Result<(), MiniatureError> {
    let turns = sessions.iter().flatten().flat_map(|dialog| &dialog.turns);
    let mut lists = [String::new(), String::new()];
    for (at, turn) in turns.filter(|turn| turn.class < CLASSES.len()).enumerate() {
        let list = match at % 5 {
            0..3 => &mut lists[0],
            3 => &mut lists[1],
            _ => continue,
        };
        let (id, class) = (&turn.id, CLASSES[turn.class]);
        *list += &format!("{id}.mp4 [split|sign] {} [split|sign] {class}\n", turn.text);
    }
    write(&root.join("my_train_iemo.txt"), &lists[0])?;
    write(&root.join("my_test_iemo.txt"), &lists[1])
}

/// Adds an utterance: dialogs take turns, and so do the speakers.
fn add(dialogs: &mut [Dialog; 2], label: &'static str, class: usize, options: &Miniature) {
    let n: usize = dialogs.iter().map(|dialog| dialog.turns.len()).sum();
    let dialog = &mut dialogs[n % 2];
    let speaker = if (n / 2).is_multiple_of(2) { 'F' } else { 'M' };
    let id = format!("{}_{speaker}{:03}", dialog.name, dialog.turns.len());
    let name = CLASSES
        .get(class)
        .map_or("nothing".to_string(), |name| name.to_lowercase());
    let mut numbers = options.numbers(&id);
    let text = match n % 3 {
        0 => format!("Well: {} [LAUGHTER]", sentence(class, &name, &mut numbers)),
        _ => sentence(class, &name, &mut numbers),
    };
    dialog.turns.push(Turn {
        is_left: dialog.name.as_bytes().get(5) == Some(&(speaker as u8)),
        id,
        label,
        class,
        text,
    });
}

fn write_dialog(
    root: &Path,
    folder: &Path,
    dialog: &Dialog,
    options: &Miniature,
) -> Result<(), MiniatureError> {
    let Dialog { name, turns } = dialog;
    let mut labels = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n".to_string();
    let mut words = String::new();
    for (at, turn) in turns.iter().enumerate() {
        let Turn {
            id, label, text, ..
        } = turn;
        let begin = TURN * at as f64;
        let end = begin + 1.0;
        labels += &format!(
            "[{begin:.4} - {end:.4}]\t{id}\t{label}\t[2.5000, 2.5000, 2.5000]\n\
             C-E1:\tNeutral state; Happiness;\t()\nA-E1:\tval 2; act 3; dom  2;\t()\n\n"
        );
        words += &format!("{id} [{begin:08.4}-{end:08.4}]: {text}\n");
        if at == 0 {
            words += "M: a line without a name\n";
            words += &format!("{name}_MXX0 [000.0000-001.0000]: a line without a label\n");
        }
        let sound = tone(turn.class, 0.5, 16_000, &mut options.numbers(id))?;
        let wav = folder.join(format!("sentences/wav/{name}/{id}.wav"));
        std::fs::create_dir_all(wav.parent().unwrap_or(folder))?;
        sound.save_wav(&wav)?;
    }
    write(
        &folder.join(format!("dialog/EmoEvaluation/{name}.txt")),
        labels,
    )?;
    write(
        &folder.join(format!("dialog/transcriptions/{name}.txt")),
        words,
    )?;
    match &options.ffmpeg {
        Some(ffmpeg) => {
            let video = folder.join(format!("dialog/avi/DivX/{name}.avi"));
            write_video(ffmpeg, &video, turns, &mut options.numbers(name))
        }
        None => turns.iter().try_for_each(|turn| {
            let path: PathBuf = root.join("prepared").join(FRAMES).join(name);
            let (width, height) = HALF;
            let numbers = &mut options.numbers(&turn.id);
            let image = picture(turn.class, width, height, 0.0, numbers)?;
            save_jpeg(&path.join(format!("{}.jpg", turn.id)), &image)
        }),
    }
}

/// Both speakers side by side, who stand still during an utterance.
fn write_video(
    ffmpeg: &Ffmpeg,
    path: &Path,
    turns: &[Turn],
    numbers: &mut impl Rng,
) -> Result<(), MiniatureError> {
    let parts = tempfile::tempdir()?;
    let per_turn = (TURN * FRAMES_PER_SECOND as f64) as usize;
    for (at, turn) in turns.iter().enumerate() {
        let image = side_by_side(turn, numbers)?;
        for frame in 0..per_turn {
            let name = format!("{:05}.jpg", at * per_turn + frame);
            save_jpeg(&parts.path().join(name), &image)?;
        }
    }
    let rate = FRAMES_PER_SECOND.to_string();
    let arguments = [
        "-nostdin",
        "-v",
        "error",
        "-framerate",
        &rate,
        "-i",
        "%05d.jpg",
        "-c:v",
        "mpeg4",
        "-q:v",
        "2",
        "video.avi",
    ];
    ffmpeg.run_in(parts.path(), arguments.map(OsString::from).to_vec())?;
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    std::fs::copy(parts.path().join("video.avi"), path)?;
    Ok(())
}

fn side_by_side(turn: &Turn, numbers: &mut impl Rng) -> Result<RgbImage, MiniatureError> {
    let (width, height) = HALF;
    let speaker = picture(turn.class, width, height, 0.0, numbers)?;
    let listener = picture(LISTENER, width, height, 0.0, numbers)?;
    let halves = if turn.is_left {
        [&speaker, &listener]
    } else {
        [&listener, &speaker]
    };
    let row = |y: usize| halves.map(|half| &half.pixels()[3 * width * y..][..3 * width]);
    let pixels = (0..height).flat_map(row).flatten().copied().collect();
    Ok(RgbImage::new(2 * width, height, pixels)?)
}
