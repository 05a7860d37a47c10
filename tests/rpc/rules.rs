//! What a call is, over every transport and codec.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use ringpipe::rpc::{Bytes, CallError, CallOptions, Completions, Server, Service};

use crate::setup::{
    Args, CODECS, Gate, Quotient, Scene, arith, everywhere, hush, over_every_transport, watched,
};

/// Longer than anything here takes; a hang is ended before.
const LONG: Duration = Duration::from_secs(600);

fn server_error<R: std::fmt::Debug>(result: Result<R, CallError>) -> String {
    match result {
        Err(CallError::Server(text)) => text,
        other => panic!("not the server's word: {other:?}"),
    }
}

#[test]
fn a_call_returns_its_reply_and_a_method_its_error() {
    everywhere(|scene| {
        assert_eq!(scene.multiply(17, 8), 136);
        assert_eq!(scene.multiply(0, 8), 0);
        assert_eq!(scene.multiply(-3, 5), -15);
        let divide = |a, b| scene.client.call::<_, Quotient>("Arith.Divide", &Args { a, b });
        assert_eq!(divide(17, 8).unwrap(), Quotient { quo: 2, rem: 1 });
        assert_eq!(server_error(divide(1, 0)), "divide by zero");
        assert_eq!(divide(0, 8).unwrap(), Quotient { quo: 0, rem: 0 });
        scene.client.call::<_, ()>("Arith.Nothing", &()).unwrap();
    });
}

#[test]
fn a_call_to_nobody_says_who_is_missing_and_the_connection_lives_on() {
    everywhere(|scene| {
        for (method, text) in [
            ("", "rpc: service/method request ill-formed: "),
            ("NoDot", "rpc: service/method request ill-formed: NoDot"),
            ("Nope.Add", "rpc: can't find service Nope.Add"),
            ("Arith.Nope", "rpc: can't find method Arith.Nope"),
            ("Arith.", "rpc: can't find method Arith."),
            (".Add", "rpc: can't find service .Add"),
            ("net.Arith.Add", "rpc: can't find service net.Arith.Add"),
        ] {
            // The body of a call that nobody takes is read past, however large it is.
            let body = Bytes::from(vec![7; 100_000]);
            assert_eq!(server_error(scene.client.call::<_, i64>(method, &body)), text);
            assert_eq!(scene.multiply(2, 3), 6);
        }
    });
}

#[test]
fn a_name_splits_at_its_last_dot() {
    everywhere(|scene| {
        scene.server.register(arith("net.rpc.Arith", &Gate::default().into())).unwrap();
        let args = Args { a: 4, b: 5 };
        let product: i64 = scene.client.call("net.rpc.Arith.Multiply", &args).unwrap();
        assert_eq!(product, 20);
    });
}

#[test]
fn arguments_of_the_wrong_type_are_an_error_of_their_call() {
    everywhere(|scene| {
        let text = server_error(scene.client.call::<_, i64>("Arith.Multiply", "text"));
        assert!(!text.is_empty());
        assert_eq!(scene.multiply(2, 3), 6);
        // And a reply of the wrong type one of its caller's.
        let error =
            scene.client.call::<_, bool>("Arith.Echo", &Bytes::from(vec![1; 7])).unwrap_err();
        assert!(matches!(error, CallError::Decode(_)), "{error:?}");
        assert_eq!(scene.multiply(2, 3), 6);
    });
}

#[test]
fn a_service_is_registered_once() {
    let server = Server::new();
    server.register(Service::new("Arith")).unwrap();
    assert_eq!(
        server.register(Service::new("Arith")).unwrap_err().to_string(),
        "rpc: service already defined: Arith"
    );
    server.register(Service::new("Arith2")).unwrap();
    everywhere(|scene| {
        let error = scene.server.register(Service::new("Arith")).unwrap_err();
        assert_eq!(error.to_string(), "rpc: service already defined: Arith");
        assert_eq!(scene.multiply(2, 3), 6, "the first one stays");
    });
}

#[test]
fn a_method_that_panics_fails_its_call_and_nothing_else() {
    hush();
    everywhere(|scene| {
        for n in 0..20 {
            let text = server_error(scene.client.call::<_, i64>("Arith.Panic", &n));
            assert_eq!(text, format!("rpc: method Arith.Panic panicked: number {n}"));
        }
        assert_eq!(scene.multiply(2, 3), 6);
    });
}

/// Panics when it is dropped.
#[derive(serde::Serialize)]
#[serde(transparent)]
struct Undroppable(i64);

impl Drop for Undroppable {
    fn drop(&mut self) {
        panic!("number {}", self.0);
    }
}

#[test]
fn a_reply_that_panics_when_it_is_dropped_was_sent_all_the_same() {
    hush();
    everywhere(|scene| {
        let service = Service::new("Odd").method("Reply", |n: i64| Ok::<_, String>(Undroppable(n)));
        scene.server.register(service).unwrap();
        for n in 0..20 {
            assert_eq!(scene.client.call::<_, i64>("Odd.Reply", &n).unwrap(), n);
        }
        assert_eq!(scene.multiply(2, 3), 6);
    });
}

#[test]
fn handlers_of_one_connection_run_in_parallel_and_replies_overtake() {
    everywhere(|scene| {
        let waiting: Vec<_> =
            (0..20).map(|n| scene.client.start::<_, i64>("Arith.Wait", &n)).collect();
        // All of them are executed at the same time, or this never comes.
        scene.gate.wait_for(20);
        assert_eq!(scene.multiply(2, 3), 6, "overtakes those that wait");
        assert_eq!(scene.client.pending(), 20);
        scene.gate.open();
        for (n, call) in (0..).zip(waiting) {
            assert_eq!(call.wait().unwrap(), n);
        }
    });
}

#[test]
fn many_threads_share_a_client_and_each_gets_its_own_reply() {
    everywhere(|scene| {
        std::thread::scope(|threads| {
            for thread in 0..8 {
                threads.spawn(move || {
                    for n in 0..200 {
                        if n % 3 == 0 {
                            let call = scene
                                .client
                                .start::<_, i64>("Arith.Multiply", &Args { a: thread, b: n });
                            assert_eq!(call.wait().unwrap(), thread * n);
                        } else {
                            assert_eq!(scene.multiply(thread, n), thread * n);
                        }
                    }
                });
            }
        });
        assert_eq!(scene.client.dropped_replies(), 0);
    });
}

#[test]
fn bytes_of_every_size_come_back_as_they_were() {
    everywhere(|scene| {
        for size in [0, 1, 3, 255, 256, 4096, 65_536, 300_000] {
            let bytes = Bytes::from((0..size).map(|i: u32| i as u8).collect::<Vec<_>>());
            let back: Bytes = scene.client.call("Arith.Echo", &bytes).unwrap();
            assert_eq!(back, bytes, "{size} bytes");
        }
    });
}

#[test]
fn a_request_beyond_the_servers_limit_ends_its_connection() {
    everywhere(|scene| {
        let (client, serving) = scene.another();
        // Under the client's limit, beyond the server's.
        let large = Bytes::from(vec![1; 3 << 20]);
        assert!(client.call::<_, Bytes>("Arith.Echo", &large).is_err());
        serving.join().unwrap();
        assert_eq!(scene.multiply(2, 3), 6, "other connections do not notice");
    });
}

#[test]
fn a_request_beyond_the_clients_limit_is_not_sent_and_the_connection_lives_on() {
    everywhere(|scene| {
        let (client, serving) = scene.another_within(10_000);
        let large = Bytes::from(vec![1; 20_000]);
        for _ in 0..3 {
            let error = client.call::<_, Bytes>("Arith.Echo", &large).unwrap_err();
            assert!(matches!(error, CallError::Encode(_)), "{error:?}");
            assert!(error.to_string().contains("beyond the limit of 10000"), "{error}");
            assert!(error.is_safe_to_retry());
            let small = Bytes::from(vec![1; 1000]);
            assert_eq!(client.call::<_, Bytes>("Arith.Echo", &small).unwrap(), small);
        }
        drop(client);
        serving.join().unwrap();
    });
}

#[test]
fn a_reply_beyond_the_servers_limit_is_an_error_of_its_call() {
    everywhere(|scene| {
        let text = server_error(scene.client.call::<_, Bytes>("Arith.Large", &(2_u64 << 20)));
        assert!(text.starts_with("rpc: the reply cannot be sent: "), "{text}");
        assert!(text.ends_with(" beyond the limit of 1048576"), "{text}");
        assert_eq!(scene.multiply(2, 3), 6);
    });
}

#[test]
fn a_reply_beyond_the_clients_limit_ends_its_connection() {
    everywhere(|scene| {
        let (client, serving) = scene.another_within(10_000);
        let error = client.call::<_, Bytes>("Arith.Large", &200_000_u64).unwrap_err();
        assert!(matches!(error, CallError::Garbage(_)), "{error:?}");
        assert!(error.to_string().contains("beyond the limit of 10000"), "{error}");
        serving.join().unwrap();
        let later = client.call::<_, Bytes>("Arith.Large", &1_u64).unwrap_err();
        assert!(matches!(later, CallError::ShutDown), "{later:?}");
        assert_eq!(scene.multiply(2, 3), 6, "other connections do not notice");
    });
}

#[test]
fn two_sides_with_different_codecs_part_or_time_out() {
    over_every_transport(|transport| {
        for theirs in CODECS {
            for ours in CODECS.into_iter().filter(|&codec| codec != theirs) {
                let scene = Scene::new(transport, theirs);
                let (client, serving) = scene.another_speaking(ours);
                let soon = CallOptions::new().timeout(Duration::from_millis(200));
                let args = Args { a: 2, b: 3 };
                client.call_with::<_, i64>("Arith.Multiply", &args, &soon).unwrap_err();
                drop(client);
                serving.join().unwrap();
                assert_eq!(scene.multiply(2, 3), 6, "other connections do not notice");
                scene.end();
            }
        }
    });
}

#[test]
fn completions_announce_each_started_call_once() {
    everywhere(|scene| {
        let done = Completions::new(100).unwrap();
        let options = CallOptions::new().completions(&done);
        let mut calls: std::collections::HashMap<_, _> = (0..100)
            .map(|n| {
                let call = scene.client.start_with::<_, i64>(
                    "Arith.Multiply",
                    &Args { a: n, b: 2 },
                    &options,
                );
                (call.id(), (n, call))
            })
            .collect();
        for _ in 0..100 {
            let (n, mut call) = calls.remove(&done.next()).unwrap();
            assert_eq!(call.poll().unwrap().unwrap(), n * 2);
            assert!(call.poll().is_none(), "a result is handed out once");
        }
        assert_eq!(done.try_next(), None);
        assert_eq!(done.dropped(), 0);
    });
}

#[test]
fn a_call_is_waited_for_until_a_moment_and_goes_on_after_it() {
    everywhere(|scene| {
        let done = Completions::new(8).unwrap();
        let options = CallOptions::new().completions(&done);
        let mut call = scene.client.start_with::<_, i64>("Arith.Wait", &7, &options);
        scene.gate.wait_for(1);
        let soon = || Instant::now() + Duration::from_millis(5);
        assert!(call.wait_until(soon()).is_none());
        assert_eq!(done.next_until(soon()), None);
        assert!(!call.is_complete());
        std::thread::scope(|threads| {
            let announced = threads.spawn(|| done.next_until(Instant::now() + LONG));
            scene.gate.open();
            assert_eq!(announced.join().unwrap(), Some(call.id()));
        });
        assert!(call.is_complete());
        assert_eq!(call.wait_until(Instant::now() + LONG).unwrap().unwrap(), 7);
        // A result is handed out once, however it is asked for.
        assert!(call.wait_until(Instant::now() + LONG).is_none());
        assert!(call.poll().is_none());
        let error = call.wait().unwrap_err();
        assert!(matches!(error, CallError::ShutDown), "{error:?}");
    });
}

#[test]
fn a_call_that_never_began_is_announced_like_any_other() {
    everywhere(|scene| {
        let (client, serving) = scene.another();
        client.close().unwrap();
        let done = Completions::new(1).unwrap();
        let options = CallOptions::new().completions(&done);
        let call = client.start_with::<_, i64>("Arith.Wait", &7, &options);
        assert_eq!(done.next(), call.id());
        assert!(matches!(call.wait().unwrap_err(), CallError::ShutDown));
        drop(client);
        serving.join().unwrap();
    });
}

#[test]
fn a_queue_that_can_hold_nothing_is_refused_at_once() {
    assert!(Completions::new(0).is_err());
    assert!(Completions::new(1).is_ok());
}

#[test]
fn a_full_completion_queue_holds_nobody_up_and_loses_no_result() {
    everywhere(|scene| {
        let done = Completions::new(3).unwrap();
        let options = CallOptions::new().completions(&done);
        let calls: Vec<_> = (0..10)
            .map(|n| {
                scene.client.start_with::<_, i64>("Arith.Multiply", &Args { a: n, b: 1 }, &options)
            })
            .collect();
        let ids: HashSet<_> = calls.iter().map(|call| call.id()).collect();
        for (n, call) in (0..).zip(calls) {
            assert_eq!(call.wait().unwrap(), n);
        }
        // The last announcement may come just after its result was taken.
        assert_eq!(scene.multiply(1, 1), 1);
        let mut announced = 0;
        while let Some(id) = done.try_next() {
            assert!(ids.contains(&id));
            announced += 1;
        }
        assert_eq!(announced, 3);
        assert_eq!(done.dropped(), 7);
    });
}

#[test]
fn close_ends_pending_calls_and_refuses_later_ones() {
    everywhere(|scene| {
        let (client, serving) = scene.another();
        let done = Completions::new(16).unwrap();
        let options = CallOptions::new().completions(&done);
        let calls: Vec<_> =
            (0..8).map(|n| client.start_with::<_, i64>("Arith.Wait", &n, &options)).collect();
        scene.gate.wait_for(8);
        client.close().unwrap();
        for call in calls {
            let error = call.wait().unwrap_err();
            assert!(matches!(error, CallError::ShutDown), "{error:?}");
            assert_eq!(error.to_string(), "connection is shut down");
            done.next();
        }
        assert_eq!(done.try_next(), None, "each ended once");
        let later = client.call::<_, i64>("Arith.Wait", &1).unwrap_err();
        assert!(matches!(later, CallError::ShutDown), "{later:?}");
        let again = client.close().unwrap_err();
        assert_eq!(again.to_string(), "connection is shut down");
        scene.gate.open();
        serving.join().unwrap();
    });
}

#[test]
fn a_connection_that_ends_by_itself_gives_pending_calls_unexpected_eof() {
    everywhere(|scene| {
        let (client, serving) = scene.another();
        let calls: Vec<_> = (0..4).map(|n| client.start::<_, i64>("Arith.Wait", &n)).collect();
        scene.gate.wait_for(4);
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| client.call::<_, i64>("Arith.Wait", &5));
            scene.gate.wait_for(5);
            // It waits for the methods, which wait for the gate, which opens once the connection is gone.
            let closing = threads.spawn(|| scene.server.close());
            let error = waiting.join().unwrap().unwrap_err();
            assert_eq!(error.to_string(), "unexpected EOF");
            for call in calls {
                assert_eq!(call.wait().unwrap_err().to_string(), "unexpected EOF");
            }
            let later = client.call::<_, i64>("Arith.Wait", &6).unwrap_err();
            assert_eq!(later.to_string(), "connection is shut down");
            scene.gate.open();
            closing.join().unwrap();
        });
        serving.join().unwrap();
        assert!(client.close().is_err());
        assert!(scene.client.call::<_, i64>("Arith.Wait", &7).is_err());
    });
}

#[test]
fn an_idle_connection_that_died_is_noticed_before_anything_is_written() {
    everywhere(|scene| {
        if scene.transport == crate::setup::Transport::Untimed {
            // Its thread notices by itself, at some time.
            return;
        }
        let (client, serving) = scene.another();
        assert_eq!(client.call::<_, i64>("Arith.Multiply", &Args { a: 1, b: 1 }).unwrap(), 1);
        scene.server.close();
        serving.join().unwrap();
        let error = client.call::<_, i64>("Arith.Wait", &1).unwrap_err();
        assert!(error.is_safe_to_retry(), "{error:?}");
        assert_eq!(error.to_string(), "connection is shut down");
    });
}

#[test]
fn calls_outlive_nothing_when_the_client_is_dropped() {
    everywhere(|scene| {
        let (client, serving) = scene.another();
        let call = client.start::<_, i64>("Arith.Wait", &1);
        scene.gate.wait_for(1);
        drop(client);
        assert!(matches!(call.wait().unwrap_err(), CallError::ShutDown));
        scene.gate.open();
        serving.join().unwrap();
    });
}

#[test]
fn a_server_that_is_closed_serves_no_more() {
    watched("closed server", || {
        let scene = Scene::new(crate::setup::Transport::Unix, crate::setup::CODECS[0]);
        scene.server.close();
        let (client, serving) = scene.another();
        assert!(client.call::<_, i64>("Arith.Wait", &1).is_err());
        serving.join().unwrap();
    });
}
