//! A miniature of CREMA-D.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use rand::RngExt;

use super::clip::{Clip, EMOTIONS};
use crate::dataset::miniature::{
    Container, Miniature, MiniatureError, save_clip, save_frames, tone, write,
};
use crate::dataset::published::media::FRAMES;

/// Above it, clips of a class would be taken twice.
const MAX_PER_CLASS: usize = 500;

/// Writes a miniature of CREMA-D: sound, videos or frames, demographics, votes with some ties, ratings, and lists as
/// MLA has them (`my_train_cre.txt`, `my_test_cre.txt`).
///
/// # Errors
///
/// A file that cannot be written, more than 500 clips per class, and `ffmpeg` that fails.
pub fn write_miniature(root: &Path, options: &Miniature) -> Result<(), MiniatureError> {
    if options.n_per_class > MAX_PER_CLASS {
        return Err(format!("more than {MAX_PER_CLASS} clips of each class").into());
    }
    let n_classes = options.n_classes.unwrap_or(EMOTIONS.len());
    let mut clips: Vec<Clip> = vec![];
    for emotion in 0..n_classes.min(EMOTIONS.len()) {
        let all: Vec<Clip> = Clip::published()
            .filter(|clip| clip.emotion == emotion)
            .collect();
        // Spread over the actors; every second class has the same ones.
        let place = |k: usize| (2 * k + emotion % 2) * all.len() / (2 * options.n_per_class);
        clips.extend((0..options.n_per_class).map(|k| all[place(k)]));
    }
    for clip in &clips {
        media(root, options, clip)?;
    }
    tables(root, &clips)
}

fn media(root: &Path, options: &Miniature, clip: &Clip) -> Result<(), MiniatureError> {
    let name = clip.to_string();
    let mut numbers = options.numbers(&name);
    let seconds = numbers.random_range(1.3..2.5);
    let sounds = root.join("AudioWAV");
    fs::create_dir_all(&sounds)?;
    let wav = sounds.join(format!("{name}.wav"));
    tone(clip.emotion, seconds, 16_000, &mut numbers)?.save_wav(&wav)?;
    match &options.ffmpeg {
        Some(ffmpeg) => {
            let flv = root.join("VideoFlash").join(format!("{name}.flv"));
            save_clip(
                ffmpeg,
                &flv,
                Container::Flv,
                clip.emotion,
                seconds,
                &mut numbers,
            )
        }
        None => {
            let folder = root.join("prepared").join(FRAMES).join(&name);
            save_frames(&folder, clip.emotion, seconds, 30, &mut numbers)
        }
    }
}

fn tables(root: &Path, clips: &[Clip]) -> Result<(), MiniatureError> {
    let mut actors = "ActorID,Age,Sex,Race,Ethnicity\n".to_string();
    for actor in 1001..=1091 {
        let sex = if actor <= 1048 { "Male" } else { "Female" };
        let age = 20 + actor % 55;
        writeln!(actors, "{actor},{age},{sex},Unknown,Not Hispanic")?;
    }
    write(&root.join("VideoDemographics.csv"), actors)?;

    let mut sentences = "\"Stimulus_Number\",\"Filename\"\n".to_string();
    let mut votes = "\"\",\"FileName\",\"VoiceVote\",\"VoiceLevel\",\"FaceVote\",\"FaceLevel\",\
                     \"MultiModalVote\",\"MultiModalLevel\"\n"
        .to_string();
    let (mut train, mut test) = (String::new(), String::new());
    for (number, clip) in clips.iter().enumerate() {
        let (.., vote, class) = EMOTIONS[clip.emotion];
        let (voice, level) = if number.is_multiple_of(5) {
            ("A:D", "50:60.5")
        } else {
            (vote, "50")
        };
        let row = number + 1;
        writeln!(sentences, "{row},\"{clip}\"")?;
        writeln!(
            votes,
            "\"{row}\",\"{clip}\",\"{voice}\",\"{level}\",\"{vote}\",\"70\",\"{vote}\",\"70\""
        )?;
        let list = if number.is_multiple_of(5) {
            &mut test
        } else {
            &mut train
        };
        writeln!(list, "{clip}.flv {class}")?;
    }
    ratings(root, clips)?;
    write(&root.join("SentenceFilenames.csv"), sentences)?;
    write(&root.join("processedResults/summaryTable.csv"), votes)?;
    write(&root.join("my_train_cre.txt"), train)?;
    write(&root.join("my_test_cre.txt"), test)
}

/// A row for the sound, the silent video and both of each clip: -1 is the level of an emotion that no rater chose,
/// which is that of the actor for every fifth sound.
fn ratings(root: &Path, clips: &[Clip]) -> Result<(), MiniatureError> {
    let names = ["Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad"];
    let mut columns = vec![
        "",
        "A",
        "D",
        "F",
        "H",
        "N",
        "S",
        "fileName",
        "numResponses",
        "agreement",
        "emoVote",
    ]
    .into_iter()
    .map(String::from)
    .collect::<Vec<_>>();
    columns.push("meanEmoResp".to_string());
    columns.extend(names.map(|name| format!("mean{name}Resp")));
    columns.extend(["medianEmoResp".to_string(), "meanEmoRespNorm".to_string()]);
    columns.extend(names.map(|name| format!("mean{name}RespNorm")));
    columns.push("medianEmoRespNorm".to_string());
    let quoted: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    let mut table = quoted.join(",") + "\n";
    for way in 1..=3 {
        for (number, clip) in clips.iter().enumerate() {
            let chosen = match (way, number % 5) {
                (1, 0) => (clip.emotion + 1) % EMOTIONS.len(),
                _ => clip.emotion,
            };
            let of_chosen = |value: &str, other: &str| -> Vec<String> {
                let values = (0..EMOTIONS.len())
                    .map(|emotion| if emotion == chosen { value } else { other });
                values.map(String::from).collect()
            };
            let (vote, levels) = (EMOTIONS[chosen].1, of_chosen("62.5", "-1").join(","));
            let (key, counts) = (way * 100_000 + number + 1, of_chosen("10", "0").join(","));
            let norms = of_chosen("0.5", "-1").join(",");
            writeln!(
                table,
                "\"{key}\",{counts},\"{clip}\",10,1,\"{vote}\",62.5,{levels},62.5,0.5,{norms},0.5"
            )?;
        }
    }
    write(&root.join("processedResults/tabulatedVotes.csv"), table)
}
