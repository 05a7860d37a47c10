//! What a program learns from an error: its kind, its words, what lies behind it, and whether to try again.

use std::{
    error::Error as _,
    io::{self, ErrorKind},
    path::PathBuf,
    sync::Arc,
};

use ringpipe::rpc::{
    Address, Bytes, CallError, Cancel, Client, Codec, Server, Service, SetupError,
};
use serde::Deserialize;

use crate::setup::{Gate, Transport, arith, connect, watched};

/// Every variant, with its kind, its words, and whether the server cannot have executed the call.
fn call_errors() -> Vec<(CallError, ErrorKind, &'static str, bool)> {
    use CallError as E;
    let reset = || Arc::new(io::Error::new(ErrorKind::ConnectionReset, "reset"));
    vec![
        (E::Server("divide by zero".into()), ErrorKind::Other, "divide by zero", false),
        (E::ShutDown, ErrorKind::NotConnected, "connection is shut down", true),
        (E::UnexpectedEof, ErrorKind::UnexpectedEof, "unexpected EOF", false),
        (E::Broken(reset()), ErrorKind::ConnectionReset, "the connection broke: reset", false),
        (
            E::NotSent(reset()),
            ErrorKind::ConnectionReset,
            "the request was not sent and can be repeated: reset",
            true,
        ),
        (
            E::NotDelivered,
            ErrorKind::ConnectionAborted,
            "the server died before it had read the request, which can be repeated elsewhere",
            true,
        ),
        (E::Deadline, ErrorKind::TimedOut, "the deadline of the call passed", false),
        (E::Canceled, ErrorKind::Interrupted, "the call was canceled", false),
        (
            E::Encode("too large".into()),
            ErrorKind::InvalidInput,
            "the arguments cannot be sent: too large",
            true,
        ),
        (
            E::Decode("no bool".into()),
            ErrorKind::InvalidData,
            "the reply does not fit: no bool",
            false,
        ),
        (
            E::Garbage("no frame".into()),
            ErrorKind::InvalidData,
            "the server sent no valid reply: no frame",
            false,
        ),
    ]
}

#[test]
fn a_call_error_tells_its_kind_its_words_and_whether_to_try_again() {
    let mut told = 0;
    for (error, kind, words, safe) in call_errors() {
        assert_eq!(error.kind(), kind, "{words}");
        assert_eq!(error.to_string(), words);
        assert_eq!(error.is_safe_to_retry(), safe, "{words}");
        let behind = error.source().map(ToString::to_string);
        let has_cause = matches!(error, CallError::Broken(_) | CallError::NotSent(_));
        assert_eq!(behind.as_deref(), has_cause.then_some("reset"), "{words}");
        // With `?` it becomes an I/O error, which keeps all of that.
        let wrapped = io::Error::from(error);
        assert_eq!((wrapped.kind(), wrapped.to_string().as_str()), (kind, words));
        let inner = wrapped.get_ref().and_then(|inner| inner.downcast_ref::<CallError>());
        assert_eq!(inner.map(CallError::is_safe_to_retry), Some(safe));
        told += 1;
    }
    assert_eq!(told, 11);
}

#[test]
fn a_setup_error_becomes_an_io_error_of_its_kind() {
    let address = Address::Unix(PathBuf::from("/run/x.sock"));
    let refused = || io::Error::new(ErrorKind::ConnectionRefused, "refused");
    for (error, kind, words, behind) in [
        (SetupError::Invalid("say more".into()), ErrorKind::InvalidInput, "say more", None),
        (SetupError::Unsupported("not here".into()), ErrorKind::Unsupported, "not here", None),
        (
            SetupError::Dial { address: address.clone(), source: refused() },
            ErrorKind::ConnectionRefused,
            "dialing unix:/run/x.sock: refused",
            Some("refused"),
        ),
        (
            SetupError::Listen { address, source: refused() },
            ErrorKind::ConnectionRefused,
            "listening on unix:/run/x.sock: refused",
            Some("refused"),
        ),
        (
            SetupError::Defined("Arith".into()),
            ErrorKind::AlreadyExists,
            "rpc: service already defined: Arith",
            None,
        ),
    ] {
        assert_eq!(error.source().map(ToString::to_string).as_deref(), behind, "{words}");
        let wrapped = io::Error::from(error);
        assert_eq!((wrapped.kind(), wrapped.to_string().as_str()), (kind, words));
    }
}

#[test]
fn a_codec_is_chosen_by_its_name_and_a_wrong_name_is_told_the_right_ones() {
    for codec in [Codec::Bin, Codec::Json, Codec::Gob] {
        assert_eq!(codec.to_string().parse::<Codec>().unwrap(), codec);
    }
    let error = "xml".parse::<Codec>().unwrap_err();
    assert_eq!(error.to_string(), "\"xml\" is no codec; take bin, json or gob");
    assert!(matches!(error, SetupError::Invalid(_)));
}

#[test]
fn what_a_program_logs_says_what_it_is_and_no_more() {
    let service = Service::new("Calc").method("Halve", |n: i64| Ok::<_, String>(n / 2));
    assert_eq!(format!("{service:?}"), r#"Service { name: "Calc", methods: ["Halve"] }"#);
    let cancel = Cancel::new();
    assert_eq!(format!("{cancel:?}"), "Cancel(false)");
    cancel.cancel();
    assert!(cancel.is_canceled());
    assert_eq!(format!("{cancel:?}"), "Cancel(true)");
    assert_eq!(format!("{:?}", Bytes::from(b"a\0\"\xff".to_vec())), r#"b"a\x00\"\xff""#);

    watched("what is logged", || {
        let server = Server::default();
        server.register(arith("Arith", &Gate::default().into())).unwrap();
        let (ours, theirs) = connect(Transport::Unix);
        assert_eq!(format!("{ours:?}"), "Connection { .. }");
        let serving = {
            let server = server.clone();
            std::thread::spawn(move || server.serve(theirs, Codec::Bin))
        };
        let client = Client::new(ours, Codec::Bin).unwrap();
        let call = client.start::<_, ()>("Arith.Nothing", &());
        let id = call.id();
        assert!(format!("{call:?}").starts_with(&format!("Call {{ id: {id:?}, complete: ")));
        assert!(id.to_string().starts_with("call "), "{id}");
        call.wait().unwrap();
        assert!(format!("{client:?}").contains("pending: 0"), "{client:?}");
        assert!(format!("{server:?}").contains("Sessions(1)"), "{server:?}");
        drop(client);
        serving.join().unwrap();
        assert!(format!("{server:?}").contains("Sessions(0)"), "{server:?}");
    });
}

#[test]
fn bytes_that_are_none_are_refused_in_words_that_name_what_is_wanted() {
    #[derive(Debug, Deserialize)]
    struct Picture {
        #[expect(dead_code, reason = "what is read is the refusal")]
        pixels: Bytes,
    }
    for (json, words) in [
        (r#"{"pixels": 7}"#, "expected bytes in base64"),
        (r#"{"pixels": "%%"}"#, "expected bytes in base64"),
    ] {
        let error = serde_json::from_str::<Picture>(json).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // Go's encoders break long lines.
    let broken: Bytes = serde_json::from_str(r#""Zm9v\r\nYmFy\n""#).unwrap();
    assert_eq!(broken.into_vec(), b"foobar");
}
