//! CRLF as LF: a CSV reader then counts lines as an editor does. It counts the LF of a CRLF only with the record
//! after it.

use std::io::{self, BufRead, Read};

/// A reader of CSV that leaves out each CR before an LF, but for those within quotes.
pub(crate) struct LfReader<R> {
    inner: R,
    is_quoted: bool,
    /// A CR at the end of what was read: it stays unless the next byte is an LF.
    pending: bool,
}

impl<R: BufRead> LfReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            is_quoted: false,
            pending: false,
        }
    }
}

impl<R: BufRead> Read for LfReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.inner.fill_buf()?;
            let Some((&first, space)) = input.first().zip(out.first_mut()) else {
                // The end, or no space: a pending CR is the last byte.
                let is_last = input.is_empty() && !out.is_empty() && self.pending;
                if is_last {
                    out[0] = b'\r';
                    self.pending = false;
                }
                return Ok(usize::from(is_last));
            };
            if self.pending {
                self.pending = false;
                if first != b'\n' {
                    *space = b'\r';
                    return Ok(1);
                }
            }
            let n = input.len().min(out.len());
            let is_quoted = &mut self.is_quoted;
            let found = input[..n].iter().position(|&byte| {
                *is_quoted ^= byte == b'"';
                byte == b'\r' && !*is_quoted
            });
            let n = found.unwrap_or(n);
            out[..n].copy_from_slice(&input[..n]);
            self.pending = found.is_some();
            self.inner.consume(n + usize::from(self.pending));
            if n > 0 {
                return Ok(n);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn read(text: &str, capacity: usize, space: usize) -> String {
        let mut reader = LfReader::new(BufReader::with_capacity(capacity, text.as_bytes()));
        let (mut found, mut buffer) = (vec![], vec![0; space]);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => return String::from_utf8(found).unwrap(),
                n => found.extend(&buffer[..n]),
            }
        }
    }

    proptest! {
        #[test]
        fn only_a_cr_before_an_lf_is_left_out(
            text in "[a\r\n]{0,40}",
            capacity in 1_usize..6,
            space in 1_usize..6,
        ) {
            prop_assert_eq!(read(&text, capacity, space), text.replace("\r\n", "\n"));
        }
    }

    #[test]
    fn quoted_line_ends_stay() {
        let text = "a,\"b\r\nc\"\"\r\n\",\r\nd\r\n";
        for size in 1..9 {
            assert_eq!(read(text, size, 9 - size), "a,\"b\r\nc\"\"\r\n\",\nd\n");
        }
    }
}
