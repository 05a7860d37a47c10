//! Every example does what it says.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Command, Output, Stdio},
};

#[path = "common/examples.rs"]
mod examples;

/// An example, built.
fn example(name: &str) -> Command {
    let mut command = Command::new(examples::build([name]).join(name));
    command.stdin(Stdio::null());
    command
}

/// Its standard output, if it ended well and without a complaint.
#[track_caller]
fn output_of(output: Output) -> String {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn send_file_sends_the_compilers_library_with_equal_checksums() {
    let told = output_of(example("send_file").output().unwrap());
    println!("{told}");
    let lines: Vec<&str> = told.lines().collect();
    let (_, in_file) = lines[0].rsplit_once(": ").unwrap();
    let bytes: u64 = in_file.split(' ').next().unwrap().parse().unwrap();
    assert!(bytes > 100_000_000, "{told}");
    assert_eq!(lines.len(), 3, "{told}");
    for (line, way) in lines[1..].iter().zip(["ring", "stdin pipe"]) {
        let (first, rest) = line.trim_start().split_once(": ").unwrap();
        assert_eq!(first, way);
        assert!(
            rest.starts_with(&format!("{in_file}, equal, ")) && rest.contains(" GB/s"),
            "{told}"
        );
    }
}

#[test]
fn send_file_takes_any_file() {
    let folder = tempfile::tempdir().unwrap();
    for length in [0, 1, 31, 262_144, 1_000_003] {
        let path = folder.path().join("file");
        fs::write(&path, (0..length).map(|i| (i % 253) as u8).collect::<Vec<u8>>()).unwrap();
        let told = output_of(example("send_file").arg(&path).output().unwrap());
        assert!(told.contains(&format!(": {length} bytes, ")), "{told}");
        assert_eq!(told.lines().filter(|line| line.contains(", equal, ")).count(), 2, "{told}");
    }
    let output = example("send_file").arg(folder.path().join("absent")).output().unwrap();
    assert!(!output.status.success() && !output.stderr.is_empty(), "{output:?}");
}

#[test]
fn word_count_serves_processes_that_come_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("count.sock");
    let mut service = example("word_count")
        .arg("serve")
        .arg(&path)
        .arg("3")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(service.stdout.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert_eq!(line, format!("listening at {}\n", path.display()));

    let text = folder.path().join("text");
    fs::write(&text, "one two\n three\n".repeat(100_000)).unwrap();
    let clients = [(); 3].map(|()| {
        example("word_count")
            .arg("ask")
            .arg(&path)
            .arg(&text)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    });
    for client in clients {
        let answer = output_of(client.wait_with_output().unwrap());
        let wanted = "200000 lines, 300000 words, 1500000 bytes";
        assert_eq!(answer, format!("{}: {wanted}\n", text.display()));
    }
    assert!(service.wait().unwrap().success());
    let mut log = String::new();
    told.read_to_string(&mut log).unwrap();
    assert_eq!(log.lines().filter(|line| line.ends_with("1500000 bytes")).count(), 3, "{log}");
    assert!(!path.exists());
}

#[test]
fn epoll_both_takes_lines_from_a_ring_and_a_socket() {
    let told = output_of(example("epoll_both").output().unwrap());
    println!("{told}");
    assert!(
        told.contains("ring: 10000 lines in ") && told.contains("socket: 10000 lines in "),
        "{told}"
    );
}
