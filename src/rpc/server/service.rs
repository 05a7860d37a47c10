//! Services and their methods, found by the name a request carries.

use std::{
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::sync::{AtomicBool, AtomicU32, Ordering};

use super::{super::SetupError, exchange::Exchange};

/// A method that was slow is tried in the reading thread again after this many quick runs in a row.
const QUICK_RUNS: u32 = 16;

/// A named set of methods.
///
/// A method is a function or closure from its arguments to a reply or an error. The error's text reaches the caller
/// as it is.
///
/// ```
/// use ringpipe::rpc::Service;
/// let service = Service::new("Arith")
///     .method("Add", |(a, b): (i64, i64)| Ok::<_, String>(a + b))
///     .method("Halve", |n: i64| if n % 2 == 0 { Ok(n / 2) } else { Err("odd") });
/// # let _ = service;
/// ```
pub struct Service {
    name: String,
    methods: Vec<(String, Box<dyn Handler>)>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("methods", &self.methods.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish()
    }
}

impl Service {
    /// A service without methods. Its name may hold dots: a request's name splits at the last one.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), methods: Vec::new() }
    }

    /// Adds a method. Of two with one name the later counts.
    #[must_use]
    pub fn method<A, R, E, F>(mut self, name: impl Into<String>, method: F) -> Self
    where
        A: DeserializeOwned + 'static,
        R: Serialize + 'static,
        E: fmt::Display + 'static,
        F: Fn(A) -> Result<R, E> + Send + Sync + 'static,
    {
        self.methods.push((name.into(), Box::new(Typed(method, std::marker::PhantomData))));
        self
    }
}

/// A method whose types are forgotten.
pub(super) trait Handler: Send + Sync {
    /// Reads the arguments, runs the method, sends the reply. A panic on the way becomes the error of the call.
    fn run(&self, exchange: &mut Exchange<'_>);
}

struct Typed<F, T>(F, std::marker::PhantomData<T>);

impl<A, R, E, F> Handler for Typed<F, fn(A) -> Result<R, E>>
where
    A: DeserializeOwned,
    R: Serialize,
    E: fmt::Display,
    F: Fn(A) -> Result<R, E> + Send + Sync,
{
    fn run(&self, exchange: &mut Exchange<'_>) {
        // The method may leave its own state half changed; that is for the method to guard against, as with a thread
        // that panics. Nothing of ours is touched in between.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let args = exchange.args::<A>();
            exchange.begin();
            match (self.0)(args?) {
                Ok(reply) => Ok(reply),
                Err(error) => Err(error.to_string()),
            }
        }));
        // After a panic while reading the arguments this was not done.
        exchange.begin();
        exchange.returned();
        match result {
            Ok(Ok(reply)) => {
                exchange.reply(&reply);
                // Whoever drops it may panic too, and it has been sent.
                let _ = catch_unwind(AssertUnwindSafe(move || drop(reply)));
            }
            Ok(Err(text)) => exchange.fail(&text),
            Err(panic) => exchange.fail_panicked(&*panic),
        }
    }
}

/// A method in the registry, and what is known of its pace.
pub(super) struct Method {
    handler: Box<dyn Handler>,
    name: Box<str>,
    index: u32,
    slow: AtomicBool,
    quick_runs: AtomicU32,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Method").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The index of what stands for a missing method.
const MISSING: u32 = u32::MAX;

/// Stands for a method that does not exist.
struct Missing(String);

impl Handler for Missing {
    fn run(&self, exchange: &mut Exchange<'_>) {
        exchange.begin();
        exchange.fail(&self.0);
    }
}

impl Method {
    fn new(name: &str, index: u32, handler: Box<dyn Handler>) -> Arc<Self> {
        Arc::new(Self {
            handler,
            name: name.into(),
            index,
            slow: AtomicBool::new(false),
            quick_runs: AtomicU32::new(0),
        })
    }

    fn missing(text: &str, name: &str) -> Arc<Self> {
        Self::new(name, MISSING, Box::new(Missing(format!("{text}{name}"))))
    }

    pub(super) fn run(&self, exchange: &mut Exchange<'_>) {
        self.handler.run(exchange);
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is the method of this name, and not what stands for a missing one.
    pub(super) fn is(&self, name: &[u8]) -> bool {
        self.index != MISSING && self.name.as_bytes() == name
    }

    /// How much of memory is held for one call of it: what stands for a missing method lives as long as its call.
    pub(super) fn held(&self) -> usize {
        // Its name, and the text with it that the caller is told.
        if self.index == MISSING { size_of::<Self>() + 2 * self.name.len() } else { 0 }
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    // ORDER: the pace is advice; whoever sees it late executes a method in the other thread and answers all the same.

    pub(super) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    pub(super) fn mark_slow(&self) {
        self.quick_runs.store(0, Ordering::Relaxed);
        self.slow.store(true, Ordering::Relaxed);
    }

    /// Tells of a run in a thread of its own.
    pub(super) fn ran(&self, quickly: bool) {
        if !quickly {
            self.quick_runs.store(0, Ordering::Relaxed);
        } else if self.quick_runs.fetch_add(1, Ordering::Relaxed) + 1 >= QUICK_RUNS {
            self.slow.store(false, Ordering::Relaxed);
        }
    }
}

/// All services of a server. Methods are added and never removed, so what was found stays right.
#[derive(Debug, Default)]
pub(super) struct Registry(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    services: HashMap<String, HashMap<String, Arc<Method>>>,
    by_index: Vec<Arc<Method>>,
}

impl Registry {
    pub(super) fn add(&self, service: Service) -> Result<(), SetupError> {
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if table.services.contains_key(&service.name) {
            return Err(SetupError::Defined(service.name));
        }
        let mut methods = HashMap::new();
        for (name, handler) in service.methods {
            let index = u32::try_from(table.by_index.len())
                .map_err(|_| SetupError::Invalid("a server has room for 2^32 methods".into()))?;
            let method = Method::new(&format!("{}.{name}", service.name), index, handler);
            table.by_index.push(Arc::clone(&method));
            methods.insert(name, method);
        }
        table.services.insert(service.name, methods);
        Ok(())
    }

    /// The method a request names, or one that tells its caller why there is none.
    pub(super) fn find(&self, name: &[u8]) -> Arc<Method> {
        // Names are text; of one that is not the rest is enough to tell the caller.
        let name = &*String::from_utf8_lossy(name);
        let Some((service, method)) = name.rsplit_once('.') else {
            return Method::missing("rpc: service/method request ill-formed: ", name);
        };
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match table.services.get(service) {
            None => Method::missing("rpc: can't find service ", name),
            Some(methods) => match methods.get(method) {
                None => Method::missing("rpc: can't find method ", name),
                Some(method) => Arc::clone(method),
            },
        }
    }

    pub(super) fn by_index(&self, index: u32) -> Option<Arc<Method>> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        table.by_index.get(index as usize).cloned()
    }
}
