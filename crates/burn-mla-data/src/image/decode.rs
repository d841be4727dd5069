//! The decoders of image formats. Each checks the size that the header claims before it takes memory.

use std::io::Cursor;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::error::{ImageError, Result};
use super::rgb::RgbImage;
use crate::ContentType;

/// An image and its EXIF data, if any.
pub(super) type Decoded = (RgbImage, Option<Vec<u8>>);

/// Refuses images of too many pixels.
pub(super) fn check_pixels(width: u64, height: u64, limit: u64) -> Result<()> {
    match width.checked_mul(height) {
        Some(pixels) if pixels <= limit => Ok(()),
        _ => Err(ImageError::Pixels {
            width,
            height,
            limit,
        }),
    }
}

/// A file that ends too early is an error, as is one with an unexpected marker.
pub(super) fn jpeg(bytes: &[u8], limit: u64) -> Result<Decoded> {
    let malformed = ImageError::malformed(ContentType::Jpeg);
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(&malformed)?;
    let (width, height) = decoder
        .info()
        .map(|info| (info.width, info.height))
        .ok_or_else(|| without(ContentType::Jpeg, "a size"))?;
    check_pixels(width.into(), height.into(), limit)?;
    let pixels = decoder.decode().map_err(&malformed)?;
    let image = RgbImage::new(width.into(), height.into(), pixels)?;
    Ok((image, decoder.exif().cloned()))
}

/// Palettes are looked up, grey is repeated, the higher byte of 16 bits is kept, alpha is dropped.
pub(super) fn png(bytes: &[u8], limit: u64) -> Result<Decoded> {
    let malformed = ImageError::malformed(ContentType::Png);
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let header = decoder.read_header_info().map_err(&malformed)?;
    check_pixels(header.width.into(), header.height.into(), limit)?;
    let mut reader = decoder.read_info().map_err(&malformed)?;
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| without(ContentType::Png, "a size"))?;
    let mut pixels = vec![0; size];
    let frame = reader.next_frame(&mut pixels).map_err(&malformed)?;
    pixels.truncate(frame.buffer_size());
    let pixels = match frame.color_type {
        png::ColorType::Grayscale => repeat_first::<1>(&pixels),
        png::ColorType::GrayscaleAlpha => repeat_first::<2>(&pixels),
        png::ColorType::Rgba => drop_alpha(&pixels),
        png::ColorType::Rgb | png::ColorType::Indexed => pixels,
    };
    let exif = reader.info().exif_metadata.as_deref().map(<[u8]>::to_vec);
    let image = RgbImage::new(frame.width as usize, frame.height as usize, pixels)?;
    Ok((image, exif))
}

/// The first frame of an animation; alpha is dropped.
pub(super) fn webp(bytes: &[u8], limit: u64) -> Result<Decoded> {
    let malformed = ImageError::malformed(ContentType::WebP);
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).map_err(&malformed)?;
    let (width, height) = decoder.dimensions();
    check_pixels(width.into(), height.into(), limit)?;
    let size = decoder
        .output_buffer_size()
        .ok_or_else(|| without(ContentType::WebP, "a size"))?;
    let mut pixels = vec![0; size];
    decoder.read_image(&mut pixels).map_err(&malformed)?;
    if decoder.has_alpha() {
        pixels = drop_alpha(&pixels);
    }
    let exif = decoder.exif_metadata().map_err(&malformed)?;
    let image = RgbImage::new(width as usize, height as usize, pixels)?;
    Ok((image, exif))
}

/// The first frame on its canvas, which is filled as Pillow does: with the colour of the transparent index, or the
/// background's.
pub(super) fn gif(bytes: &[u8], limit: u64) -> Result<Decoded> {
    let malformed = ImageError::malformed(ContentType::Gif);
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::Indexed);
    options.check_frame_consistency(true);
    let mut decoder = options.read_info(bytes).map_err(&malformed)?;
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    check_pixels(width as u64, height as u64, limit)?;
    let background = decoder.bg_color();
    let global = decoder.global_palette().map(<[u8]>::to_vec);
    let frame = decoder.read_next_frame().map_err(&malformed)?;
    let frame = frame.ok_or_else(|| without(ContentType::Gif, "a frame"))?;
    let palette = frame.palette.as_ref().or(global.as_ref());
    let palette = palette.ok_or_else(|| without(ContentType::Gif, "a palette"))?;
    // An index beyond the palette is black.
    let color = |index: usize| -> [u8; 3] {
        let (colors, _) = palette.as_chunks::<3>();
        colors.get(index).copied().unwrap_or_default()
    };
    let fill = frame.transparent.map(usize::from).or(background);
    let mut pixels = color(fill.unwrap_or(0)).repeat(width * height);
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let frame_width = usize::from(frame.width).max(1);
    let rows = pixels.chunks_exact_mut(3 * width.max(1)).skip(top);
    for (row, indices) in rows.zip(frame.buffer.chunks_exact(frame_width)) {
        let (row, _) = row.as_chunks_mut::<3>();
        for (pixel, index) in row.iter_mut().skip(left).zip(indices) {
            *pixel = color(usize::from(*index));
        }
    }
    Ok((RgbImage::new(width, height, pixels)?, None))
}

fn without(content: ContentType, part: &str) -> ImageError {
    ImageError::malformed(content)(format!("without {part}"))
}

fn repeat_first<const N: usize>(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<N>();
    pixels.iter().flat_map(|pixel| [pixel[0]; 3]).collect()
}

fn drop_alpha(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<4>();
    pixels
        .iter()
        .flat_map(|[r, g, b, _]| [*r, *g, *b])
        .collect()
}
