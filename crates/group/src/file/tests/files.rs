//! Files that cannot be read, and those that can.

use super::*;

fn folder_with(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn a_file_is_read_and_its_paths_are_beside_it() {
    let (folder, path) = folder_with("shop.yaml", with("").as_bytes());
    let file = GroupFile::load(&path).unwrap();
    assert_eq!(file.path, path);
    assert_eq!(file.data_dir, folder.path().join("retail.data"));
}

#[test]
fn a_bare_file_name_means_the_present_folder() {
    let file = GroupFile::parse(&with(""), Path::new("retail.yaml"), &variables).unwrap();
    assert_eq!(file.data_dir, Path::new("retail.data"));
}

#[test]
fn a_file_that_is_not_there_is_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let error = GroupFile::load(&folder.path().join("none.yaml")).unwrap_err();
    assert!(matches!(&error, GroupFileError::Read { .. }));
    assert_eq!((error.code(), error.exit_code()), ("GRP-001", 64));
    assert!(error.to_string().contains("none.yaml; `tributary init` writes one"), "{error}");
    let error = GroupFile::load(folder.path()).unwrap_err();
    assert_eq!(error.code(), "GRP-001", "a folder is no file");
}

#[test]
fn a_huge_file_is_not_read_to_its_end() {
    let largest = usize::try_from(LARGEST_FILE_BYTES).unwrap();
    let (_folder, path) = folder_with("huge.yaml", &vec![b'#'; largest + 1]);
    let error = GroupFile::load(&path).unwrap_err();
    assert!(matches!(&error, GroupFileError::TooLarge { .. }));
    assert_eq!((error.code(), error.exit_code()), ("GRP-002", 64));
    assert!(error.to_string().contains("more than 1048576 bytes"), "{error}");
    let mut text = with("").into_bytes();
    text.push(b'#');
    text.resize(largest, b'x');
    let (_folder, path) = folder_with("large.yaml", &text);
    GroupFile::load(&path).unwrap();
}

#[test]
fn a_file_that_is_not_utf_8_is_told_with_its_line() {
    let (_folder, path) = folder_with("latin.yaml", b"group: retail\n# Gr\xf6\xdfe\n");
    let error = GroupFile::load(&path).unwrap_err();
    assert!(matches!(&error, GroupFileError::NotUtf8 { line: 2, .. }));
    assert_eq!((error.code(), error.exit_code()), ("GRP-003", 64));
    assert!(error.to_string().contains("latin.yaml, line 2: not UTF-8 text"), "{error}");
}
