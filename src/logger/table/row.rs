//! One value of a metric, and its two encodings as a line of text.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Value of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row<V = f64> {
    pub epoch: usize,
    pub split: String,
    /// `None` for the value of the whole epoch.
    pub iteration: Option<usize>,
    pub metric: String,
    pub value: V,
    pub count: Option<usize>,
    pub unit: Option<String>,
}

/// Encoding of rows. In both encodings one line is one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    JsonLines,
}

/// A name without line breaks, because a row is one line.
pub(super) fn one_line(name: &str) -> Cow<'_, str> {
    if name.contains(['\n', '\r']) {
        Cow::Owned(name.replace(['\n', '\r'], " "))
    } else {
        Cow::Borrowed(name)
    }
}

const COLUMNS: [&str; 7] = [
    "epoch",
    "split",
    "iteration",
    "metric",
    "value",
    "count",
    "unit",
];

/// A line that is no row, counted from 1.
pub(super) type BadLine = (usize, String);

impl Format {
    /// First line with its end; empty for a format without one.
    pub fn header(self) -> String {
        match self {
            Self::Csv => COLUMNS.join(",") + "\n",
            Self::JsonLines => String::new(),
        }
    }

    /// Whether a file that ends within its first line can be one of this format.
    pub fn may_begin_with(self, torn: &[u8]) -> bool {
        match self {
            Self::Csv => self.header().as_bytes().starts_with(torn),
            Self::JsonLines => {
                let start = &b"{\"epoch\":"[..];
                let is_torn_row = || match serde_json::from_slice::<Row<Value>>(torn) {
                    Ok(_) => true,
                    Err(error) => error.is_eof(),
                };
                start.starts_with(torn) || torn.starts_with(start) && is_torn_row()
            }
        }
    }

    /// Lines of rows, each with its end.
    pub fn lines<'a>(self, rows: impl IntoIterator<Item = &'a Row>) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Csv => {
                let mut writer = csv::WriterBuilder::new()
                    .has_headers(false)
                    .from_writer(vec![]);
                for row in rows {
                    writer.serialize(row)?;
                }
                writer.into_inner().map_err(|error| error.into_error())
            }
            Self::JsonLines => {
                let mut lines = vec![];
                for row in rows {
                    serde_json::to_writer(&mut lines, &json(row))?;
                    lines.push(b'\n');
                }
                Ok(lines)
            }
        }
    }

    /// Rows of whole lines, the header included.
    pub fn parse(self, lines: &[u8]) -> Result<Vec<Row>, BadLine> {
        match self {
            Self::Csv => {
                let mut reader = csv::Reader::from_reader(lines);
                let header = reader.headers().map_err(|error| (1, error.to_string()))?;
                if !lines.is_empty() && header != COLUMNS[..] {
                    return Err((1, format!("expected {}", COLUMNS.join(","))));
                }
                let bad = |error: csv::Error| {
                    let line = error.position().map_or(1, |position| position.line());
                    (line as usize, error.to_string())
                };
                reader
                    .into_deserialize()
                    .map(|row| row.map_err(bad))
                    .collect()
            }
            Self::JsonLines => {
                let lines = lines.split_inclusive(|&byte| byte == b'\n');
                let row = |(n, line): (usize, &[u8])| {
                    let row = serde_json::from_slice(line).map_err(|error| error.to_string());
                    row.and_then(from_json).map_err(|message| (n, message))
                };
                (1..).zip(lines).map(row).collect()
            }
        }
    }
}

/// The row with its value in JSON, which has only finite numbers: NaN becomes null and infinities
/// become texts. pandas turns both back into numbers.
fn json(row: &Row) -> Row<Value> {
    let value = if row.value.is_infinite() {
        Value::from(format!("{:?}", row.value))
    } else {
        Value::from(row.value)
    };
    with_value(row.clone(), value)
}

fn from_json(row: Row<Value>) -> Result<Row, String> {
    let value = match &row.value {
        Value::Null => Some(f64::NAN),
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text == "inf" => Some(f64::INFINITY),
        Value::String(text) if text == "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    };
    let value = value.ok_or_else(|| format!("value {}", row.value))?;
    Ok(with_value(row, value))
}

fn with_value<V, W>(row: Row<V>, value: W) -> Row<W> {
    Row {
        epoch: row.epoch,
        split: row.split,
        iteration: row.iteration,
        metric: row.metric,
        value,
        count: row.count,
        unit: row.unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(metric: &str, value: f64) -> Row {
        Row {
            epoch: 3,
            split: "valid".to_string(),
            iteration: None,
            metric: metric.to_string(),
            value,
            count: Some(24),
            unit: Some("%".to_string()),
        }
    }

    #[test]
    fn lines_are_what_pandas_reads() {
        let rows = [
            row("Accuracy, \"fused\"", 0.1 + 0.2),
            Row {
                iteration: Some(7),
                count: None,
                unit: None,
                ..row("Loss", f64::NAN)
            },
            row("Loss", f64::NEG_INFINITY),
        ];
        let lines = |format: Format| {
            rows.each_ref()
                .map(|row| String::from_utf8(format.lines([row]).unwrap()).unwrap())
        };
        assert_eq!(
            lines(Format::Csv),
            [
                "3,valid,,\"Accuracy, \"\"fused\"\"\",0.30000000000000004,24,%\n",
                "3,valid,7,Loss,NaN,,\n",
                "3,valid,,Loss,-inf,24,%\n",
            ]
        );
        assert_eq!(
            lines(Format::JsonLines),
            [
                "{\"epoch\":3,\"split\":\"valid\",\"iteration\":null,\
                 \"metric\":\"Accuracy, \\\"fused\\\"\",\"value\":0.30000000000000004,\
                 \"count\":24,\"unit\":\"%\"}\n",
                "{\"epoch\":3,\"split\":\"valid\",\"iteration\":7,\"metric\":\"Loss\",\
                 \"value\":null,\"count\":null,\"unit\":null}\n",
                "{\"epoch\":3,\"split\":\"valid\",\"iteration\":null,\"metric\":\"Loss\",\
                 \"value\":\"-inf\",\"count\":24,\"unit\":\"%\"}\n",
            ]
        );
    }

    proptest! {
        #[test]
        fn rows_are_read_back_to_the_last_bit(
            metric in "[a,\" \\\\éß{}:]{0,9}|\"value\":1,",
            bits in any::<u64>(),
            iteration in proptest::option::of(0usize..9),
        ) {
            let row = Row { iteration, ..row(&metric, f64::from_bits(bits)) };
            for format in [Format::Csv, Format::JsonLines] {
                let mut lines = format.header().into_bytes();
                lines.extend(format.lines([&row]).unwrap());
                let read = format.parse(&lines).unwrap().pop().unwrap();
                prop_assert_eq!(read.value.is_nan(), row.value.is_nan());
                if !row.value.is_nan() {
                    prop_assert_eq!(read.value.to_bits(), row.value.to_bits());
                }
                prop_assert_eq!(Row { value: 0.0, ..read }, Row { value: 0.0, ..row.clone() });
            }
        }
    }

    #[test]
    fn lines_of_another_kind_are_refused() {
        let refused = |format: Format, line: &str| {
            let lines = format.header() + line + "\n";
            format.parse(lines.as_bytes()).unwrap_err()
        };
        for line in [
            "1,train,,Loss",
            "1,train,,Loss,x,,",
            "1,train,,\"Loss,1,,",
            "-1,a,,b,1,,",
            "1,2",
        ] {
            assert_eq!(refused(Format::Csv, line).0, 2, "{line}");
        }
        for line in ["", "{}", "1", "{\"epoch\":1,\"loss\":2}"] {
            assert_eq!(refused(Format::JsonLines, line).0, 1, "{line}");
        }
        assert!(Format::Csv.parse(b"epoch;split\n").is_err());
        assert!(Format::Csv.may_begin_with(b"epoch,spl"));
        assert!(!Format::Csv.may_begin_with(b"epoch;spl"));
        assert!(!Format::Csv.may_begin_with(b"epoch,split,iteration,metric,value,count,unit,x"));
        assert!(Format::JsonLines.may_begin_with(b"{\"epoch\":1,\"sp"));
        assert!(Format::JsonLines.may_begin_with(b"{\"ep"));
        assert!(!Format::JsonLines.may_begin_with(b"{\"loss"));
        assert!(!Format::JsonLines.may_begin_with(b"{\"epoch\":1,\"loss\":2}"));
    }
}
