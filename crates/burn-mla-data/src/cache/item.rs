//! Items as bytes.

/// An item that a [`DiskCache`](super::DiskCache) can hold.
pub trait CacheItem: Sized {
    /// The item as bytes, the same on every machine.
    fn to_bytes(&self) -> Vec<u8>;

    /// The item of bytes; `None` if there is no such item.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl CacheItem for Vec<u8> {
    fn to_bytes(&self) -> Vec<u8> {
        self.clone()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl CacheItem for Vec<f32> {
    fn to_bytes(&self) -> Vec<u8> {
        let bytes: Vec<[u8; 4]> = self.iter().map(|value| value.to_le_bytes()).collect();
        bytes.into_flattened()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (values, rest) = bytes.as_chunks::<4>();
        rest.is_empty().then(|| {
            values
                .iter()
                .map(|value| f32::from_le_bytes(*value))
                .collect()
        })
    }
}

/// Each with its length before it.
#[cfg(feature = "video")]
impl CacheItem for Vec<crate::image::RgbImage> {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![];
        for image in self {
            let image = image.to_bytes();
            bytes.extend((image.len() as u64).to_le_bytes());
            bytes.extend(image);
        }
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut images = vec![];
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (image, rest) = rest.split_at_checked(length)?;
            images.push(CacheItem::from_bytes(image)?);
            bytes = rest;
        }
        Some(images)
    }
}
