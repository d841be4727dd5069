//! Files of features, written here and by NumPy, and malformed ones.

use safetensors::Dtype;

use super::*;

/// A file as `numpy.save` writes it.
fn npy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let padding = 64 - (bytes.len() + 2 + header.len() + 1) % 64;
    let header = format!("{header}{}\n", " ".repeat(padding));
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn parse(bytes: &[u8]) -> Result<Features, String> {
    Features::parse(bytes, None)
}

#[test]
fn numbers_of_every_type_are_read() {
    let expected = |shape: &[usize], values: &[f32]| {
        Ok(Features {
            shape: shape.to_vec(),
            values: values.to_vec(),
        })
    };
    let data: Vec<u8> = [1.5f32, -2.0]
        .into_iter()
        .flat_map(f32::to_le_bytes)
        .collect();
    assert_eq!(
        parse(&npy("<f4", "False", "(1, 2)", &data)),
        expected(&[1, 2], &[1.5, -2.0])
    );
    let data: Vec<u8> = [1.5f64, -2.0]
        .into_iter()
        .flat_map(f64::to_be_bytes)
        .collect();
    assert_eq!(
        parse(&npy(">f8", "False", "(2,)", &data)),
        expected(&[2], &[1.5, -2.0])
    );
    // 1.5, -2, the smallest number and 0 in half precision.
    let data: Vec<u8> = [0x3e00_u16, 0xc000, 1, 0]
        .into_iter()
        .flat_map(u16::to_le_bytes)
        .collect();
    let values = [1.5, -2.0, 2f32.powi(-24), 0.0];
    assert_eq!(
        parse(&npy("<f2", "False", "(4,)", &data)),
        expected(&[4], &values)
    );
    let data: Vec<u8> = [7i64, -1].into_iter().flat_map(i64::to_le_bytes).collect();
    assert_eq!(
        parse(&npy("<i8", "False", "(2, 1)", &data)),
        expected(&[2, 1], &[7.0, -1.0])
    );
    assert_eq!(
        parse(&npy("|u1", "False", "()", &[200])),
        expected(&[], &[200.0])
    );
    assert_eq!(
        parse(&npy("<f4", "False", "(0, 3)", &[])),
        expected(&[0, 3], &[])
    );
}

#[test]
fn malformed_arrays_are_refused_without_allocating() {
    let error = |bytes: &[u8]| parse(bytes).unwrap_err();
    let huge = npy("<f4", "False", "(9999999999, 9999999999)", &[0; 8]);
    assert_eq!(error(&huge), "the shape is too large");
    let large = npy("<f4", "False", "(1000000000000,)", &[0; 8]);
    assert_eq!(
        error(&large),
        "8 bytes of data, expected 1000000000000 values of 4 bytes"
    );
    let nan = npy("<f4", "False", "(1,)", &f32::NAN.to_le_bytes());
    assert_eq!(error(&nan), "value 0 is NaN");
    assert!(error(&npy("<f4", "True", "(1,)", &[0; 4])).contains("Fortran"));
    assert!(error(&npy("|O", "False", "(1,)", &[0; 8])).contains("`|O`"));
    assert!(error(&npy("<c8", "False", "(1,)", &[0; 8])).contains("`<c8`"));
    assert!(error(&npy("é4", "False", "(1,)", &[0; 8])).contains("malformed"));
    assert!(error(&npy("<f4", "False", "(1,)", &[0; 5])).contains("5 bytes"));
    assert_eq!(
        error(b"\x93NUMPY\x01\x00\xff\xff{"),
        "the header is truncated"
    );
    assert!(error(b"").contains("neither"));
    assert!(error(b"PK\x03\x04").contains("neither"));
}

#[test]
fn no_change_of_a_file_panics() {
    let data: Vec<u8> = (0..24).collect();
    let tensors = [("a", (Dtype::F32, vec![2, 3]))];
    let tensors = tensors.map(|(name, (dtype, shape))| {
        (
            name,
            safetensors::tensor::TensorView::new(dtype, shape, &data).unwrap(),
        )
    });
    let tensors = safetensors::serialize(tensors, None).unwrap();
    for file in [npy("<f4", "False", "(2, 3)", &data), tensors] {
        assert!(parse(&file).is_ok());
        for length in 0..file.len() {
            assert!(parse(&file[..length]).is_err());
        }
        for at in 0..file.len() {
            for value in [0, 1, b'\'', b'}', b')', b'9', b',', 0x7f, 0xff] {
                let mut changed = file.clone();
                changed[at] = value;
                let _ = parse(&changed);
            }
        }
    }
}

#[test]
fn a_tensor_is_named_where_there_are_several() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.safetensors");
    let (a, b) = (1f32.to_le_bytes(), 2f32.to_le_bytes());
    let view = |data| safetensors::tensor::TensorView::new(Dtype::F32, vec![1], data).unwrap();
    let bytes = safetensors::serialize([("b", view(&b)), ("a", view(&a))], None).unwrap();
    fs::write(&path, bytes).unwrap();
    assert_eq!(Features::read(&path, Some("b")).unwrap().values, [2.0]);
    let error = Features::read(&path, None).unwrap_err().to_string();
    assert!(
        error.ends_with("must be named, of those in the file: a, b"),
        "{error}"
    );
    assert!(Features::read(&path, Some("c")).is_err());
    assert!(Features::read(folder.path().join("g.npy"), None).is_err());
}

#[test]
fn a_saved_array_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.npy");
    for shape in [vec![], vec![6], vec![2, 3], vec![1, 2, 0]] {
        let n = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| i as f32 / 3.0 - 1.0).collect();
        let features = Features { shape, values };
        features.save_npy(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap().len() - 4 * n, 128);
        assert_eq!(Features::read(&path, None).unwrap(), features);
    }
    let refused = |values: Vec<f32>| {
        let features = Features {
            shape: vec![2],
            values,
        };
        features.save_npy(&path).unwrap_err().problem
    };
    assert_eq!(refused(vec![1.0]), "1 values for the shape [2]");
    assert_eq!(refused(vec![1.0, f32::NAN]), "value 1 is NaN");
}
