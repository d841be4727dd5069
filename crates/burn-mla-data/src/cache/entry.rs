//! The file of an entry: a header with its key, length and checksum, and the bytes of the item.

use super::CacheKey;

const MAGIC: &[u8; 8] = b"mlacach1";

/// The file of an item.
pub(super) fn bytes(key: &CacheKey, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(52 + payload.len());
    bytes.extend(MAGIC);
    bytes.extend(key.0);
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(crc32fast::hash(payload).to_le_bytes());
    bytes.extend(payload);
    bytes
}

/// The item in a file, or what is wrong with the file.
pub(super) fn payload<'a>(bytes: &'a [u8], key: &CacheKey) -> Result<&'a [u8], &'static str> {
    let header = || {
        let bytes = bytes.strip_prefix(MAGIC)?;
        let (found, bytes) = bytes.split_first_chunk::<32>()?;
        let (length, bytes) = bytes.split_first_chunk::<8>()?;
        let (checksum, payload) = bytes.split_first_chunk::<4>()?;
        Some((
            found,
            u64::from_le_bytes(*length),
            u32::from_le_bytes(*checksum),
            payload,
        ))
    };
    let (found, length, checksum, payload) = header().ok_or("has no header")?;
    if *found != key.0 {
        Err("has the key of another one")
    } else if length != payload.len() as u64 {
        Err("has another length than was written")
    } else if checksum != crc32fast::hash(payload) {
        Err("has another checksum than was written")
    } else {
        Ok(payload)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        let key = CacheKey::new(b"content", &json!(1));
        let whole = bytes(&key, b"payload");
        assert_eq!(payload(&whole, &key), Ok(&b"payload"[..]));
        assert_eq!(payload(&bytes(&key, b""), &key), Ok(&b""[..]));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            assert!(payload(&changed, &key).is_err(), "byte {at}");
            assert!(payload(&whole[..at], &key).is_err(), "length {at}");
        }
        let longer = [&whole[..], b"x"].concat();
        assert_eq!(
            payload(&longer, &key),
            Err("has another length than was written")
        );
        let other = CacheKey::new(b"content", &json!(2));
        assert_eq!(payload(&whole, &other), Err("has the key of another one"));
    }
}
