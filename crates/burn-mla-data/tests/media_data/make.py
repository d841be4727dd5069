"""Makes the golden values and media files of this folder that are not copies of published fixtures.

Run: python make.py, with numpy 2.4, librosa 0.11, Pillow 13.0, torchvision 0.29, safetensors 0.8, and ffmpeg 5.1.
"""

import subprocess
from pathlib import Path

import librosa
import numpy as np
import torchvision.transforms.functional as F
from PIL import Image
from safetensors.numpy import save_file

HERE = Path(__file__).parent
FLOOR = np.float32(1.1920929e-07)


def mel():
    """Every choice of mel scale, area normalization and spectrum, by librosa."""
    rng = np.random.default_rng(11)
    t = np.arange(3200) / 16000
    wave = 0.3 * np.sin(2 * np.pi * (200 + 9000 * t) * t) + 0.01 * rng.standard_normal(t.size)
    wave = wave.astype(np.float32)
    out = {"wave": wave}
    for scale, htk in (("htk", True), ("slaney", False)):
        for name, norm in (("peak", None), ("area", "slaney")):
            options = dict(sr=16000, n_fft=512, n_mels=40, fmin=20.0, htk=htk, norm=norm)
            out[f"{scale}_{name}"] = librosa.filters.mel(**options)
            for spectrum, power in (("magnitude", 1.0), ("power", 2.0)):
                mels = librosa.feature.melspectrogram(
                    y=wave, hop_length=160, center=False, power=power, **options
                )
                out[f"{scale}_{name}_{spectrum}"] = np.log(np.maximum(mels, FLOOR)).T.copy()
    # Padded here: the last frame of librosa's own pad_mode="reflect" is 0.6 % off the reflected waveform.
    stft = librosa.stft(np.pad(wave, 128, mode="reflect"), n_fft=256, hop_length=128, center=False)
    out["reflect_256_128"] = np.log(np.abs(stft) + 1e-7).astype(np.float32).copy(order="C")
    (HERE / "mel").mkdir(exist_ok=True)
    save_file(out, HERE / "mel/outputs.safetensors")


def kinds():
    """Kinds of images, and what Pillow makes of them with convert("RGB")."""
    folder = HERE / "kinds"
    folder.mkdir(exist_ok=True)
    y, x = np.mgrid[0:30, 0:40]
    rgb = np.stack([6 * x, 8 * y, (x * y) % 256], axis=-1).astype(np.uint8)
    image = Image.fromarray(rgb)
    smooth = Image.fromarray(np.stack([6 * x, 8 * y, 3 * (x + y)], axis=-1).astype(np.uint8))
    alpha = Image.fromarray(np.dstack([rgb, (5 * x).astype(np.uint8)]))
    wide = (x * 1600 + y * 3).astype(np.uint16)

    smooth.save(folder / "progressive.jpg", quality=95, progressive=True)
    smooth.save(folder / "subsampled.jpg", quality=90, subsampling="4:2:0")
    smooth.convert("L").save(folder / "grey.jpg", quality=95)
    smooth.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth.save(folder / "turned.jpg", quality=95, exif=exif)
    Image.fromarray(wide).save(folder / "grey16.png")
    alpha.convert("LA").save(folder / "grey_alpha.png")
    image.convert("1").save(folder / "one_bit.png")
    image.save(folder / "turned.png", exif=exif)
    smooth.save(folder / "lossy.webp", quality=90)
    image.save(folder / "lossless.webp", lossless=True)
    alpha.save(folder / "alpha.webp", lossless=True, exact=True)
    image.save(folder / "turned.webp", lossless=True, exif=exif)
    image.save(folder / "moving.webp", lossless=True, save_all=True, append_images=[smooth])
    image.save(folder / "moving.gif", save_all=True, append_images=[smooth])
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "still.gif")
    Image.new("RGB", (1, 1), (9, 8, 7)).save(folder / "one.png")
    Image.new("RGB", (65500, 1), (9, 8, 7)).save(folder / "strip.png")
    Image.new("RGB", (65500, 1), (9, 8, 7)).save(folder / "strip.jpg")

    out = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in (".png", ".jpg", ".webp", ".gif") and not path.stem == "strip":
            decoded = Image.open(path)
            out[path.name] = np.asarray(decoded.convert("RGB")).copy()
    out["grey16.png"] = np.repeat((wide >> 8).astype(np.uint8)[..., None], 3, axis=-1)
    source = Image.open(HERE / "images/wide.png").convert("RGB")
    for factor in (0.6, 1.4):
        for name in ("brightness", "contrast", "saturation"):
            changed = getattr(F, f"adjust_{name}")(source, factor)
            out[f"wide.{name}_{factor}"] = np.asarray(changed).copy()
    out["wide.hue_0.1"] = np.asarray(F.adjust_hue(source, 0.1)).copy()
    # Rows first, as every Pillow before 13 does it in one call; Pillow 13 chooses the order by the sizes.
    tall = Image.open(HERE / "images/tall.png").convert("RGB")
    tall = tall.resize((32, 90), Image.Resampling.BICUBIC).resize((32, 70), Image.Resampling.BICUBIC)
    out["tall.bicubic_rows_first"] = np.asarray(tall).copy()
    save_file(out, folder / "outputs.safetensors")


def sound():
    """Half a second of a tone of 440 Hz in several formats, and a clip with pictures and sound."""
    folder = HERE / "sound"
    folder.mkdir(exist_ok=True)
    tone = "sine=frequency=440:sample_rate=16000:duration=0.5"
    for name, options in {
        "tone.wav": ["-c:a", "pcm_s16le"],
        "tone24.wav": ["-c:a", "pcm_s24le"],
        "tone.flac": [],
        "tone.mp3": ["-c:a", "libmp3lame", "-b:a", "32k"],
        "tone.ogg": ["-c:a", "libvorbis"],
        "tone.m4a": ["-c:a", "aac", "-b:a", "32k"],
        "tone.aac": ["-c:a", "aac", "-b:a", "32k"],
    }.items():
        source = ["-f", "lavfi", "-i", tone]
        ffmpeg(*source, *options, "-fflags", "+bitexact", "-flags:a", "+bitexact", folder / name)
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc=size=64x48:rate=30000/1001:duration=2.5",
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=16000:duration=2.5",
        "-c:v", "mpeg4", "-q:v", "5", "-c:a", "aac", "-b:a", "24k", "-movflags", "+faststart", "-fflags", "+bitexact",
        "-flags:v", "+bitexact", "-flags:a", "+bitexact", folder / "clip.mp4",
    )
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc=size=32x32:rate=10:duration=0.5", "-c:v", "mpeg4",
        "-fflags", "+bitexact", "-flags:v", "+bitexact", folder / "mute.mp4",
    )


def ffmpeg(*arguments):
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)


mel()
kinds()
sound()
