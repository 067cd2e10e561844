//! A session store for actix in memory, because `actix-session` has none. A map without expiry and serialization, which is the minimum of
//! work for a store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, CookieJar, Key};
use anyhow::anyhow;

type State = HashMap<String, String>;

/// A session store. Clones share their sessions.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<String, State>>>);

impl Sessions {
    /// Creates `count` sessions, and returns their signed cookies.
    pub(crate) fn create(&self, count: u64, name: &'static str, key: &Key) -> Vec<String> {
        let mut sessions = self.lock();
        let cookies = (0..count).filter_map(|n| {
            let id = format!("{n:022}");
            sessions.insert(id.clone(), State::new());
            let mut jar = CookieJar::new();
            jar.signed_mut(key).add(Cookie::new(name, id));
            jar.get(name).map(|cookie| cookie.encoded().to_string())
        });
        cookies.collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for Sessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        Ok(self.lock().get(key.as_ref()).cloned())
    }

    async fn save(&self, _: State, _: &Duration) -> Result<SessionKey, SaveError> {
        Err(SaveError::Other(anyhow!("every request has a session already")))
    }

    async fn update(&self, key: SessionKey, state: State, _: &Duration) -> Result<SessionKey, UpdateError> {
        self.lock().insert(key.as_ref().to_owned(), state);
        Ok(key)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &Duration) -> Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        self.lock().remove(key.as_ref());
        Ok(())
    }
}
