//! JSON-RPC 1.0 to the letter.

use std::{io::Write, net::Shutdown, os::unix::net::UnixStream, thread};

use ringpipe::rpc::{CallError, Client, Codec, Connection, Limits, Server, Service};

use crate::setup::{Gate, against_socket, arith, read_all, understand, watched};

/// What a server answers to `requests`.
fn answers(requests: &str) -> String {
    // One at a time, so that the answers come in the order of the requests.
    let server = Server::with_limits(Limits::default().in_flight(1));
    server.register(arith("Arith", &Gate::default().into())).unwrap();
    server
        .register(
            Service::new("Kinds")
                .method("None", |_: i64| Ok::<_, String>(None::<i64>))
                .method("Big", |n: u64| Ok::<_, String>(n))
                .method("Float", |x: f64| Ok::<_, String>(x)),
        )
        .unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let serving = thread::spawn(move || server.serve(Connection::from(theirs), Codec::Json));
    ours.write_all(requests.as_bytes()).unwrap();
    ours.shutdown(Shutdown::Write).unwrap();
    let text = String::from_utf8(read_all(&mut ours)).unwrap();
    serving.join().unwrap();
    text
}

#[test]
fn a_recorded_go_client_gets_what_a_go_server_told_it() {
    let requests = include_str!("../data/go-arith-requests.json");
    assert_eq!(answers(requests), include_str!("../data/go-arith-replies.json"));
}

#[test]
fn a_recorded_go_server_is_understood() {
    watched("recorded server", || {
        understand(Codec::Json, include_bytes!("../data/go-arith-replies.json"));
    });
}

#[test]
fn an_id_comes_back_as_it_was_sent() {
    for id in [
        "0",
        "18446744073709551615",
        "-1.50e+3",
        "\"text \\u00e9\"",
        "null",
        "[1, {\"a\":2}]",
        "{\"x\":null}",
        "true",
    ] {
        let request = format!(
            "{{\"method\":\"Arith.Multiply\",\"params\":[{{\"A\":2,\"B\":3}}],\"id\":{id}}}"
        );
        assert_eq!(answers(&request), format!("{{\"id\":{id},\"result\":6,\"error\":null}}\n"));
    }
}

#[test]
fn a_success_is_never_null() {
    let reply = |method: &str, params: &str| {
        answers(&format!("{{\"method\":\"{method}\",\"params\":[{params}],\"id\":1}}"))
    };
    assert_eq!(reply("Arith.Nothing", "null"), "{\"id\":1,\"result\":{},\"error\":null}\n");
    assert_eq!(reply("Kinds.None", "1"), "{\"id\":1,\"result\":{},\"error\":null}\n");
}

#[test]
fn whole_numbers_are_exact() {
    let request = "{\"method\":\"Kinds.Big\",\"params\":[18446744073709551615],\"id\":1}";
    assert_eq!(answers(request), "{\"id\":1,\"result\":18446744073709551615,\"error\":null}\n");
}

/// One in four was its neighbour when it had been read.
#[test]
fn floats_are_exact() {
    let (mut floats, mut requests, mut bits) = (Vec::new(), String::new(), 1u64);
    while floats.len() < 10_000 {
        // Xorshift, so that there are numbers of every magnitude.
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        let float = f64::from_bits(bits);
        if float.is_finite() {
            requests += &format!("{{\"method\":\"Kinds.Float\",\"params\":[{float:e}],\"id\":1}}");
            floats.push(float);
        }
    }
    let answers = answers(&requests);
    assert_eq!(answers.lines().count(), floats.len());
    for (float, answer) in floats.iter().zip(answers.lines()) {
        let result = answer.strip_prefix("{\"id\":1,\"result\":").unwrap();
        let result: f64 = result.strip_suffix(",\"error\":null}").unwrap().parse().unwrap();
        assert_eq!(result.to_bits(), float.to_bits(), "{float:e} came back as {result:e}");
    }
    println!("{} floats", floats.len());
}

#[test]
fn bytes_are_base64() {
    let request = "{\"method\":\"Arith.Echo\",\"params\":[\"/wAK\"],\"id\":1}";
    assert_eq!(answers(request), "{\"id\":1,\"result\":\"/wAK\",\"error\":null}\n");
    let nil = "{\"method\":\"Arith.Echo\",\"params\":[null],\"id\":1}";
    assert_eq!(answers(nil), "{\"id\":1,\"result\":\"\",\"error\":null}\n");
}

#[test]
fn params_hold_exactly_one_element() {
    for (params, text) in [
        ("", "jsonrpc: request body missing params"),
        ("\"params\":null,", "jsonrpc: request body missing params"),
        ("\"params\":[],", "params must hold exactly one element, not 0"),
        ("\"params\":[1,2,3],", "params must hold exactly one element, not 3"),
        (
            "\"params\":{\"A\":1},",
            "params: invalid type: map, expected an array with one element at line 1 column 0",
        ),
    ] {
        assert_eq!(
            answers(&format!("{{\"method\":\"Arith.Wait\",{params}\"id\":1}}")),
            format!("{{\"id\":1,\"result\":null,\"error\":\"{text}\"}}\n")
        );
    }
}

#[test]
fn a_method_that_is_not_named_is_ill_formed() {
    for method in ["", "\"method\":null,", "\"method\":\"\","] {
        assert_eq!(
            answers(&format!("{{{method}\"params\":[1],\"id\":1}}")),
            "{\"id\":1,\"result\":null,\"error\":\"rpc: service/method request ill-formed: \"}\n"
        );
    }
}

#[test]
fn values_nested_without_end_are_an_error_or_read_past() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let request = |method: &str, params: &str, id: &str| {
        format!("{{\"method\":\"{method}\",\"params\":[{params}],\"id\":{id}}}")
    };
    let as_arguments = answers(&request("Arith.Multiply", &deep, "1"));
    assert!(as_arguments.starts_with("{\"id\":1,\"result\":null,\"error\":\""), "{as_arguments}");
    let unwanted = format!("{{\"A\":2,\"B\":3,\"C\":{deep}}}");
    let as_field = answers(&request("Arith.Multiply", &unwanted, "1"));
    assert_eq!(as_field, "{\"id\":1,\"result\":6,\"error\":null}\n");
    let as_id = answers(&request("Arith.Multiply", "{\"A\":2,\"B\":3}", &deep));
    assert_eq!(as_id, format!("{{\"id\":{deep},\"result\":6,\"error\":null}}\n"));
}

#[test]
fn objects_may_stand_in_any_layout() {
    let request = "  {\n\t\"ID\" : 7 , \"extra\":{\"}\":\"\\\"{\"},\"params\":[ {\"B\":3,\"A\":2,\"C\":[]} ]\r\n,\"method\":\"Arith.Multip\\u006cy\"}\n\n";
    let reply = "{\"id\":7,\"result\":6,\"error\":null}\n";
    assert_eq!(answers(request), reply);
    assert_eq!(answers(&request.repeat(3)), reply.repeat(3));
}

#[test]
fn an_error_need_not_be_text() {
    watched("odd errors", || {
        for (error, text) in [
            ("\"plain\"", "plain"),
            ("\"\"", "unspecified error"),
            ("{\"code\":5}", "{\"code\":5}"),
            ("17", "17"),
        ] {
            let (ours, mut theirs) = against_socket();
            let client = Client::new(ours, Codec::Json).unwrap();
            let call = client.start::<_, i64>("A.B", &1);
            writeln!(theirs, "{{\"id\":0,\"result\":null,\"error\":{error}}}").unwrap();
            match call.wait() {
                Err(CallError::Server(got)) => assert_eq!(got, text),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn what_is_no_object_ends_the_connection_and_the_client_hears_why() {
    assert_eq!(answers("[1]"), "");
    watched("no object", || {
        let (ours, mut theirs) = against_socket();
        let client = Client::new(ours, Codec::Json).unwrap();
        let call = client.start::<_, i64>("A.B", &1);
        theirs.write_all(b"[1]\n").unwrap();
        let error = call.wait().unwrap_err();
        assert!(matches!(error, CallError::Garbage(_)), "{error:?}");
        assert!(error.to_string().contains("an object was expected, not '['"), "{error}");
    });
}

#[test]
fn nothing_is_no_number() {
    watched("nothing", || {
        let (ours, mut theirs) = against_socket();
        let client = Client::new(ours, Codec::Json).unwrap();
        let (number, nothing) =
            (client.start::<_, i64>("A.B", &1), client.start::<_, ()>("A.B", &1));
        for id in 0..2 {
            writeln!(theirs, "{{\"id\":{id},\"result\":{{}},\"error\":null}}").unwrap();
        }
        let error = number.wait().unwrap_err();
        assert!(matches!(error, CallError::Decode(_)), "{error:?}");
        nothing.wait().unwrap();
    });
}

#[test]
fn an_object_a_little_beyond_the_limit_is_refused_though_it_came_at_once() {
    let (limit, request) = (64, "{\"method\":\"Arith.Nothing\",\"params\":[null],\"id\":1}");
    assert!(request.len() < limit);
    let answer = |padding: usize| {
        let server = Server::with_limits(Limits::default().message(limit));
        server.register(arith("Arith", &Gate::default().into())).unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let serving = thread::spawn(move || server.serve(Connection::from(theirs), Codec::Json));
        let padded = request.replacen('{', &format!("{{{}", " ".repeat(padding)), 1);
        ours.write_all(padded.as_bytes()).unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        let answer = read_all(&mut ours).len();
        serving.join().unwrap();
        answer
    };
    assert!(answer(limit - request.len()) > 0);
    assert_eq!(answer(limit - request.len() + 1), 0);
}
