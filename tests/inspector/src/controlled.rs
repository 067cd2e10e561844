//! The inspector of a shop that does what a browser's test asks for.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::adapter::{Page, PageRequest, PageResponse};
use onramp_webhooks_inspector::Inspector;

use crate::Shop;

/// An inspector. Requests below `/test/` are [acts](Shop::act) of the shop.
#[derive(Clone)]
pub struct Controlled {
    shop: Arc<Shop>,
    inspector: Inspector,
}

impl Controlled {
    /// Wraps the inspector of a shop.
    #[must_use]
    pub fn new(shop: Shop) -> Self {
        Self { inspector: shop.inspector(), shop: Arc::new(shop) }
    }
}

#[async_trait]
impl Page for Controlled {
    async fn respond(&self, request: PageRequest) -> PageResponse {
        match request.path.strip_prefix("/test/") {
            Some(action) => PageResponse::new(200, self.shop.act(action).await),
            None => self.inspector.respond(request).await,
        }
    }
}

impl fmt::Debug for Controlled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controlled").field("inspector", &self.inspector).finish_non_exhaustive()
    }
}
