//! The example programs as their users run them, with each other and with Go programs of the standard library alone.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::sys::{
    signal::{Signal, kill},
    wait::{WaitPidFlag, WaitStatus, waitpid},
};
use ringpipe::rpc::{CallError, CallOptions, Client, Codec, Completions};

#[path = "common/examples.rs"]
mod examples;

const LINES: &str = "\
Arith.Multiply: 17*8=136
Arith.Divide: 17/8=2 remainder 1
Arith.Divide: divide by zero
Arith.Nope: rpc: can't find method Arith.Nope
";

/// The built example.
fn example(name: &str) -> PathBuf {
    examples::build([name]).join(name)
}

/// A Go program of `tests/go`, built; `None`, and a line that says so, where there is no Go.
fn go(name: &str) -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    fs::create_dir_all(&directory).unwrap();
    let program = directory.join(format!("{name}-{}", std::process::id()));
    if program.exists() {
        return Some(program);
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/go/{name}.go"));
    let temporary = fresh("go");
    let status = Command::new("go").arg("build").arg("-o").arg(&temporary).arg(source).status();
    match status {
        Ok(status) => {
            assert!(status.success(), "{name}.go does not build");
            fs::rename(&temporary, &program).unwrap();
            Some(program)
        }
        Err(error) => {
            eprintln!("skipped: Go is needed to talk to it, and it does not run here: {error}");
            None
        }
    }
}

/// A path nobody else uses.
fn fresh(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()))
}

/// A program that listens, and ends with the test.
struct Listening {
    child: Child,
    address: String,
    out: BufReader<std::process::ChildStdout>,
}

impl Listening {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line
            .trim_end()
            .strip_prefix("listening on ")
            .unwrap_or_else(|| panic!("the first line is {line:?}"))
            .to_owned();
        Self { child, address, out }
    }

    /// The address as Go's `net` package takes it.
    fn for_go(&self) -> [&str; 2] {
        self.address.split_once(':').unwrap().into()
    }

    /// Asks it to end, and returns what it said on stderr.
    fn end(mut self) -> String {
        self.signal(Signal::SIGTERM);
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        said
    }

    fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// What it prints until it ends by itself.
    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn arith_server(address: &str, codec: &str) -> Listening {
    Listening::start(
        Command::new(example("arith_server")).args(["--listen", address, "--codec", codec]),
    )
}

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn printed(command: &mut Command) -> String {
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn addresses() -> [String; 3] {
    [
        "tcp:127.0.0.1:0".into(),
        format!("unix:{}", fresh("sock").display()),
        format!("shm:{}", fresh("shm").display()),
    ]
}

#[test]
fn server_and_client_talk_at_every_address_in_every_codec() {
    for codec in ["bin", "json", "gob"] {
        for address in addresses() {
            let server = arith_server(&address, codec);
            assert_ne!(server.address, "tcp:127.0.0.1:0");
            let mut client = Command::new(example("arith_client"));
            client.args(["--connect", &server.address, "--codec", codec]);
            assert_eq!(printed(&mut client), LINES, "{address} {codec}");
            assert_eq!(server.end(), "");
            if let Some((_, path)) = address.split_once(":/") {
                assert!(!Path::new("/").join(path).exists());
            }
        }
    }
}

#[test]
fn a_go_client_calls_a_rust_server() {
    let Some(client) = go("arith_client") else {
        return;
    };
    for codec in ["gob", "json"] {
        for address in &addresses()[..2] {
            let server = arith_server(address, codec);
            let [network, place] = server.for_go();
            let printed = printed(Command::new(&client).args([network, place, codec]));
            assert_eq!(printed, format!("{LINES}all the rest: ok\n"), "{address} {codec}");
            assert_eq!(server.end(), "", "a panic of a method is its caller's business");
        }
    }
}

#[test]
fn a_rust_client_calls_a_go_server() {
    let Some(server) = go("arith_server") else {
        return;
    };
    let path = fresh("go-sock");
    for codec in ["gob", "json"] {
        for (network, place) in [("tcp", "127.0.0.1:0"), ("unix", path.to_str().unwrap())] {
            let server = Listening::start(Command::new(&server).args([network, place, codec]));
            let mut client = Command::new(example("arith_client"));
            client.args(["--connect", &server.address, "--codec", codec]);
            assert_eq!(printed(&mut client), LINES, "{network} {codec}");
            drop(server);
            let _ = fs::remove_file(&path);
        }
    }
}

#[test]
fn a_bridge_joins_any_two_kinds_of_address() {
    let mut joined = 0;
    for there in addresses() {
        let server = arith_server(&there, "gob");
        for here in addresses() {
            let mut bridge = Command::new(example("bridge"));
            bridge.args(["--listen", &here, "--connect", &server.address]);
            let bridge = Listening::start(&mut bridge);
            // Who is no client of the service is no matter of the bridge.
            if let Some(place) = bridge.address.strip_prefix("tcp:") {
                let mut stream = std::net::TcpStream::connect(place).unwrap();
                stream.write_all(&[0xff; 100]).unwrap();
            }
            for _ in 0..3 {
                let mut client = Command::new(example("arith_client"));
                client.args(["--connect", &bridge.address, "--codec", "gob"]);
                assert_eq!(printed(&mut client), LINES, "{here} to {there}");
            }
            // Ended with a client on it that neither asks nor leaves.
            let idle = Client::dial(&bridge.address.parse().unwrap(), Codec::Gob).unwrap();
            assert_eq!(bridge.end(), "");
            drop(idle);
            if let Some((_, path)) = here.split_once(":/") {
                assert!(!Path::new("/").join(path).exists());
            }
            joined += 1;
        }
        assert_eq!(server.end(), "");
    }
    assert_eq!(joined, 9);
}

#[test]
fn a_go_client_reaches_a_service_on_the_ring_over_a_bridge() {
    let Some(client) = go("arith_client") else {
        return;
    };
    for codec in ["gob", "json"] {
        let server = arith_server(&format!("shm:{}", fresh("shm").display()), codec);
        for here in &addresses()[..2] {
            let mut bridge = Command::new(example("bridge"));
            bridge.args(["--listen", here, "--connect", &server.address]);
            let bridge = Listening::start(&mut bridge);
            let [network, place] = bridge.for_go();
            let printed = printed(Command::new(&client).args([network, place, codec]));
            assert_eq!(printed, format!("{LINES}all the rest: ok\n"), "{here} {codec}");
            assert_eq!(bridge.end(), "");
        }
        assert_eq!(server.end(), "");
    }
}

#[test]
fn a_value_goes_from_gob_send_to_gob_recv() {
    for address in addresses() {
        let receiver =
            Listening::start(Command::new(example("gob_recv")).args(["--listen", &address]));
        let mut sender = Command::new(example("gob_send"));
        assert_eq!(printed(sender.args(["--connect", &receiver.address])), "");
        assert_eq!(receiver.rest(), "Received: {Name:Example Value:123}\n");
    }
}

#[test]
fn gob_values_go_to_go_and_come_from_it() {
    let (Some(sender), Some(receiver)) = (go("gob_send"), go("gob_recv")) else {
        return;
    };
    let ours =
        Listening::start(Command::new(example("gob_recv")).args(["--listen", "tcp:127.0.0.1:0"]));
    printed(Command::new(sender).arg(ours.for_go()[1]));
    assert_eq!(ours.rest(), "Received: {Name:Example Value:123}\n");

    let theirs = Listening::start(&mut Command::new(receiver));
    printed(Command::new(example("gob_send")).args(["--connect", &theirs.address]));
    assert_eq!(theirs.rest(), "Received: {Name:Example Value:123}\n");
}

#[path = "rpc/gob_values.rs"]
mod gob_values;

#[test]
fn go_reads_what_rust_writes_of_every_kind_and_rust_what_go_writes() {
    let Some(types) = go("gob_types") else {
        return;
    };
    for numbers in [&["write"][..], &["write", "65"]] {
        gob_values::check_types(&output(Command::new(&types).args(numbers)).stdout);
    }
    let mut checking = Command::new(&types)
        .arg("check")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    gob_values::write_types(checking.stdin.take().unwrap());
    let output = checking.wait_with_output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "ok\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_hostile_client_ends_no_server_and_leaves_nothing_on_stderr() {
    for codec in ["bin", "json", "gob"] {
        let server = arith_server("tcp:127.0.0.1:0", codec);
        let place = server.for_go()[1].to_owned();
        for garbage in
            [&[0xff; 4096][..], &[0; 4096], b"{\"method\":", b"GET / HTTP/1.1\r\n\r\n", &[]]
        {
            let mut stream = std::net::TcpStream::connect(&place).unwrap();
            let _ = stream.write_all(garbage);
        }
        let mut client = Command::new(example("arith_client"));
        client.args(["--connect", &server.address, "--codec", codec]);
        assert_eq!(printed(&mut client), LINES);
        assert_eq!(server.end(), "");
    }
}

#[test]
fn a_server_that_is_told_to_end_does_so_in_the_middle_of_its_methods() {
    for address in addresses() {
        let server = arith_server(&address, "bin");
        let client = Client::dial(&server.address.parse().unwrap(), Codec::Bin).unwrap();
        let calls: Vec<_> =
            (0..8).map(|_| client.start::<_, i64>("Arith.SleepMilli", &600_000_i64)).collect();
        // Answered after they were read.
        let bytes = ringpipe::rpc::Bytes::from(vec![1]);
        let _: ringpipe::rpc::Bytes = client.call("Arith.Echo", &bytes).unwrap();
        assert_eq!(server.end(), "");
        for call in calls {
            call.wait().unwrap_err();
        }
    }
}

#[test]
fn fields_that_a_client_leaves_out_are_zero_as_they_are_in_go() {
    for field in [r#"{"B":8}"#, "{}"] {
        let server = arith_server("tcp:127.0.0.1:0", "json");
        let mut stream = std::net::TcpStream::connect(server.for_go()[1]).unwrap();
        write!(stream, r#"{{"method":"Arith.Multiply","params":[{field}],"id":1}}"#).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, "{\"id\":1,\"result\":0,\"error\":null}\n");
        assert_eq!(server.end(), "");
    }
}

#[test]
fn a_killed_server_ends_each_call_in_flight_once() {
    for codec in ["bin", "json", "gob"] {
        for address in addresses() {
            let mut server = arith_server(&address, codec);
            let client =
                Client::dial(&server.address.parse().unwrap(), codec.parse().unwrap()).unwrap();
            let done = Completions::new(100).unwrap();
            let options = CallOptions::new().completions(&done);
            let calls: Vec<_> = (0..64)
                .map(|n| client.start_with::<_, i64>("Arith.SleepMilli", &(600_000 + n), &options))
                .collect();
            server.child.kill().unwrap();
            for call in calls {
                let error = call.wait().unwrap_err();
                assert!(!matches!(error, CallError::Server(_)), "{address} {codec}: {error:?}");
            }
            let mut ended = 0;
            while done.try_next().is_some() {
                ended += 1;
            }
            // The announcement comes after the result, and the client's threads are joined behind both.
            drop(client);
            while done.try_next().is_some() {
                ended += 1;
            }
            assert_eq!(ended, 64, "{address} {codec}");
            if let Some((_, path)) = address.split_once(":/") {
                fs::remove_file(Path::new("/").join(path)).unwrap();
            }
        }
    }
}

#[test]
fn over_shared_memory_a_request_that_was_never_read_can_be_repeated() {
    let address = format!("shm:{}", fresh("unread").display());
    let mut server = arith_server(&address, "bin");
    let client = Client::dial(&address.parse().unwrap(), "bin".parse().unwrap()).unwrap();
    let slow = client.start::<_, i64>("Arith.SleepMilli", &600_000_i64);
    // Quick methods are answered although the slow one is being executed: it has been read.
    let bytes = ringpipe::rpc::Bytes::from(vec![1]);
    let _: ringpipe::rpc::Bytes = client.call("Arith.Echo", &bytes).unwrap();
    server.signal(Signal::SIGSTOP);
    // The signal takes its time; from here on nothing is read.
    let pid = nix::unistd::Pid::from_raw(server.child.id().try_into().unwrap());
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    let unread: Vec<_> = (0..8).map(|n| client.start::<_, i64>("Arith.SleepMilli", &n)).collect();
    server.child.kill().unwrap();
    let error = slow.wait().unwrap_err();
    assert!(!error.is_safe_to_retry(), "{error:?}");
    for call in unread {
        let error = call.wait().unwrap_err();
        assert!(matches!(error, CallError::NotDelivered), "{error:?}");
        assert!(error.is_safe_to_retry());
    }
    drop(client);
    fs::remove_file(address.strip_prefix("shm:").unwrap()).unwrap();
}

#[test]
fn what_cannot_work_is_said_on_stderr_and_in_the_exit_code() {
    let nobody = format!("unix:{}", fresh("nobody").display());
    for (name, args, code) in [
        ("arith_server", &["--listen"][..], 2),
        ("arith_server", &["--listen", "nowhere", "--codec", "bin"], 2),
        ("arith_server", &["--listen", "tcp:127.0.0.1:0", "--codec", "xml"], 2),
        ("arith_server", &["--listen", "unix:/nonexistent/x", "--codec", "bin"], 1),
        ("arith_server", &["--listen", "shm:far:7000", "--codec", "bin"], 2),
        ("arith_client", &[], 2),
        ("arith_client", &["--connect", &nobody, "--codec", "gob"], 1),
        ("gob_send", &["--connect", &nobody], 1),
        ("gob_send", &["--connect", "x"], 2),
        ("gob_recv", &["--listen", "unix:/nonexistent/x"], 1),
    ] {
        let output = output(Command::new(example(name)).args(args));
        assert_eq!(output.status.code(), Some(code), "{name} {args:?}");
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.is_empty() && !said.contains("panicked"), "{said}");
    }
}
