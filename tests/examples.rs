//! Every example does what it says.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::{FileTypeExt, MetadataExt},
    process::{Child, Command, Output, Stdio},
    thread,
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

/// Starts `named_pipe` with these arguments, and gives it `input`.
fn named_pipe(arguments: &[&str], input: &str) -> Child {
    let mut command = example("named_pipe");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // Its reader may leave before it has taken everything.
    thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    child
}

#[test]
fn a_named_pipe_is_made_by_whoever_comes_first_and_removed_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let path = path.to_str().unwrap();
    // Far beyond what a pipe holds, and beyond 1,024 bytes in one message.
    let lines = ["short".to_owned(), "x".repeat(1025), "y".repeat(300_000)];
    let input = lines.join("\n");
    for reader_first in [true, false] {
        let read = || named_pipe(&["read", path, "--within", "20"], "");
        let write = || named_pipe(&["write", path, "--within", "20"], &input);
        let first = if reader_first { read() } else { write() };
        while !fs::exists(path).unwrap() {
            thread::yield_now();
        }
        let made = fs::metadata(path).unwrap();
        assert!(made.file_type().is_fifo());
        let umask = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
        nix::sys::stat::umask(umask);
        assert_eq!(made.mode() & 0o777, 0o666 & !umask.bits());
        let second = if reader_first { write() } else { read() };
        let told = [first, second].map(|child| output_of(child.wait_with_output().unwrap()));
        let wanted = "5 bytes: short\n\
                      1025 bytes: xxxxxxxxxxxxxxxxxxxx…\n\
                      300000 bytes: yyyyyyyyyyyyyyyyyyyy…\n\
                      the writer has closed\n";
        assert_eq!(told.concat(), wanted, "{}", if reader_first { "reader" } else { "writer" });
        assert!(!fs::exists(path).unwrap());
    }
}

#[test]
fn a_named_pipe_that_was_there_stays_and_what_is_none_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let fifo = path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let within = ["--within", "0.05"];
    for what in ["read", "write"] {
        let child = named_pipe(&[&[what, fifo.to_str().unwrap()][..], &within].concat(), "");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("in time"), "{output:?}");
        assert!(fs::exists(&fifo).unwrap(), "it is not theirs to remove");
    }
    fs::write(path("file"), "precious").unwrap();
    fs::create_dir(path("folder")).unwrap();
    std::os::unix::fs::symlink(&fifo, path("link")).unwrap();
    std::os::unix::fs::symlink(path("nowhere"), path("dangling")).unwrap();
    let mut refused = 0;
    for name in ["file", "folder", "link", "dangling"] {
        for what in ["read", "write"] {
            let child =
                named_pipe(&[&[what, path(name).to_str().unwrap()][..], &within].concat(), "");
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("is there, and no named pipe"), "{name}: {said}");
            refused += 1;
        }
    }
    assert_eq!(refused, 8);
    assert_eq!(fs::read_to_string(path("file")).unwrap(), "precious");
}
