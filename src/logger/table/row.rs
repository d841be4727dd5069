use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

/// The columns, in their order.
const HEADER: &str = "epoch,split,iteration,metric,value,count,unit";
const N_COLUMNS: usize = 7;

/// How every line of JSON begins.
const JSON_START: &str = "{\"epoch\":";

/// A value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub epoch: usize,
    pub split: String,
    /// `None` for the value of the whole epoch.
    pub iteration: Option<usize>,
    pub metric: String,
    pub value: f64,
    pub count: Option<usize>,
    pub unit: Option<String>,
}

/// How rows are written. One line is one row in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    JsonLines,
}

/// A name as it is written: a row is one line.
pub(super) fn one_line(name: &str) -> Cow<'_, str> {
    match name.contains(['\n', '\r']) {
        true => Cow::Owned(name.replace(['\n', '\r'], " ")),
        false => Cow::Borrowed(name),
    }
}

impl Format {
    /// The first line, with its end; nothing where there is none.
    pub fn header(self) -> String {
        match self {
            Self::Csv => format!("{HEADER}\n"),
            Self::JsonLines => String::new(),
        }
    }

    /// Whether a file that ends before its first line does may be one of this format.
    pub fn may_begin_with(self, torn: &[u8]) -> bool {
        let start = match self {
            Self::Csv => HEADER,
            Self::JsonLines => JSON_START,
        };
        let n = start.len().min(torn.len());
        torn[..n] == start.as_bytes()[..n] && (self == Self::JsonLines || torn.len() <= n)
    }

    /// The line of a row, with its end.
    pub fn line(self, row: &Row) -> String {
        match self {
            Self::Csv => {
                let optional = |n: Option<usize>| n.map(|n| n.to_string()).unwrap_or_default();
                format!(
                    "{},{},{},{},{:?},{},{}\n",
                    row.epoch,
                    quoted(&row.split),
                    optional(row.iteration),
                    quoted(&row.metric),
                    row.value,
                    optional(row.count),
                    quoted(row.unit.as_deref().unwrap_or_default()),
                )
            }
            Self::JsonLines => {
                let text = |text: &str| Value::from(text).to_string();
                let optional = |n: Option<usize>| n.map_or("null".to_string(), |n| n.to_string());
                format!(
                    "{JSON_START}{},\"split\":{},\"iteration\":{},\"metric\":{},\"value\":{},\
                     \"count\":{},\"unit\":{}}}\n",
                    row.epoch,
                    text(&row.split),
                    optional(row.iteration),
                    text(&row.metric),
                    json_number(row.value),
                    optional(row.count),
                    row.unit.as_deref().map_or("null".to_string(), text),
                )
            }
        }
    }

    /// The row of a line without its end.
    pub fn parse(self, line: &[u8]) -> Result<Row, String> {
        let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
        match self {
            Self::Csv => parse_csv(line),
            Self::JsonLines => parse_json(line),
        }
    }
}

fn quoted(text: &str) -> Cow<'_, str> {
    match text.contains([',', '"']) {
        true => Cow::Owned(format!("\"{}\"", text.replace('"', "\"\""))),
        false => Cow::Borrowed(text),
    }
}

fn parse_csv(line: &str) -> Result<Row, String> {
    let fields = fields(line).ok_or("a quote that does not end a field")?;
    let n_fields = fields.len();
    let fields: [String; N_COLUMNS] = fields
        .try_into()
        .map_err(|_| format!("{n_fields} columns instead of {N_COLUMNS}"))?;
    let [epoch, split, iteration, metric, value, count, unit] = fields;
    Ok(Row {
        epoch: parse("epoch", &epoch)?,
        split,
        iteration: optional("iteration", &iteration)?,
        metric,
        value: parse("value", &value)?,
        count: optional("count", &count)?,
        unit: Some(unit).filter(|unit| !unit.is_empty()),
    })
}

fn parse<T: std::str::FromStr>(column: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{column} `{text}`"))
}

fn optional(column: &str, text: &str) -> Result<Option<usize>, String> {
    match text.is_empty() {
        true => Ok(None),
        false => parse(column, text).map(Some),
    }
}

/// The fields of a line, `None` where quotes are not in pairs.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![];
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                if field.contains('"') {
                    return None;
                }
                (field.to_string(), after)
            }
            Some(inner) => quoted_field(inner)?,
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(fields),
        }
    }
}

/// A field after its opening quote, and what comes after its closing one.
fn quoted_field(mut rest: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Some((field, after)),
        }
    }
}

/// JSON has no numbers that are not finite: null, which pandas reads as NaN, and texts that it
/// reads as infinities.
fn json_number(value: f64) -> String {
    match value {
        value if value.is_nan() => "null".to_string(),
        value if value.is_infinite() => format!("\"{value:?}\""),
        value => format!("{value:?}"),
    }
}

fn parse_json(line: &str) -> Result<Row, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct JsonRow {
        epoch: usize,
        split: String,
        iteration: Option<usize>,
        metric: String,
        #[serde(rename = "value")]
        _value: Value,
        count: Option<usize>,
        unit: Option<String>,
    }
    let row: JsonRow = serde_json::from_str(line).map_err(|error| error.to_string())?;
    // `serde_json` may be off by a bit, so the number is taken from the text. No name can look
    // like its key, as a quote within a name follows a backslash.
    let number = line.split_once("\"value\":");
    let number = number.and_then(|(_, after)| Some(after.split_once(',')?.0));
    let number = number.ok_or("columns in another order")?;
    Ok(Row {
        epoch: row.epoch,
        split: row.split,
        iteration: row.iteration,
        metric: row.metric,
        value: match number {
            "null" => f64::NAN,
            number => parse("value", number.trim_matches('"'))?,
        },
        count: row.count,
        unit: row.unit,
    })
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
        let lines = |format: Format| rows.each_ref().map(|row| format.line(row));
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

    #[test]
    fn other_readers_of_csv_agree() {
        let row = row("a \"b\", c,", 1e300);
        let text = format!("{}{}", Format::Csv.header(), Format::Csv.line(&row));
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().len(), N_COLUMNS);
        let record = reader.records().next().unwrap().unwrap();
        let expected = ["3", "valid", "", "a \"b\", c,", "1e300", "24", "%"];
        assert_eq!(record.iter().collect::<Vec<_>>(), expected);
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
                let line = format.line(&row);
                let read = format.parse(line.trim_end_matches('\n').as_bytes()).unwrap();
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
        let refused = |format: Format, line: &str| format.parse(line.as_bytes()).unwrap_err();
        for line in [
            "",
            "1,train,,Loss",
            "1,train,,Loss,x,,",
            "1,train,,\"Loss,1,,",
        ] {
            refused(Format::Csv, line);
        }
        assert_eq!(refused(Format::Csv, "-1,a,,b,1,,"), "epoch `-1`");
        assert_eq!(refused(Format::Csv, "1,2"), "2 columns instead of 7");
        for line in ["", "{}", "1", "{\"epoch\":1,\"loss\":2}"] {
            refused(Format::JsonLines, line);
        }
        assert!(Format::Csv.parse(b"\xff").is_err());
        assert!(Format::Csv.may_begin_with(b"epoch,spl"));
        assert!(!Format::Csv.may_begin_with(b"epoch;spl"));
        assert!(!Format::Csv.may_begin_with(format!("{HEADER},x").as_bytes()));
        assert!(Format::JsonLines.may_begin_with(b"{\"epoch\":1,\"sp"));
        assert!(Format::JsonLines.may_begin_with(b"{\"ep"));
        assert!(!Format::JsonLines.may_begin_with(b"{\"loss"));
    }
}
