//! Bodies of IKE payloads other than security associations.

use dmvpn_wire::isakmp::body::{
    Authentication, Certificate, Configuration, Delete, Eap, Fragment, Identification, KeyExchange, Notification,
    Selector, TrafficSelectors,
};
use dmvpn_wire::isakmp::sa::{AttributeView, Attributes};
use dmvpn_wire::isakmp::{PayloadType, PayloadView, Span, ike2, vendor};

use super::read::Reader;

impl Reader<'_> {
    /// What an IKEv2 payload holds (RFC 7296 sections 3.3 to 3.16, RFC 7383 section 2.5).
    pub(super) fn ike2_body(&mut self, payload: &PayloadView<'_>) {
        let body = payload.body();
        let at = body.offset();
        match payload.kind() {
            PayloadType::SA => self.ike2_association(body),
            PayloadType::KE => {
                let view = KeyExchange::new(body);
                self.uint("group", view.group().map(|group| group.0), at..at + 2);
                self.checked(view.check());
                self.rest("data", view.data());
            }
            PayloadType::IDI | PayloadType::IDR => self.identification(body, false),
            PayloadType::CERT | PayloadType::CERTREQ => self.certificate(body),
            PayloadType::AUTH => {
                let view = Authentication::new(body);
                self.uint("auth_method", view.method().map(|method| method.0), at..at + 1);
                self.checked(view.check());
                self.rest("data", view.data());
            }
            PayloadType::N => self.notification(&Notification::new(body), at),
            PayloadType::D => self.delete(&Delete::new(body), at),
            PayloadType::V => self.vendor(body),
            PayloadType::TSI | PayloadType::TSR => self.selectors(&TrafficSelectors::new(body), at),
            PayloadType::SKF => {
                let view = Fragment::new(body);
                self.uint("fragment", view.number(), at..at + 2);
                self.uint("fragments", view.total(), at + 2..at + 4);
                self.checked(view.check());
                self.rest("data", view.data());
            }
            PayloadType::CP => {
                let view = Configuration::new(body);
                self.uint("cfg_type", view.kind().map(|kind| kind.0), at..at + 1);
                self.checked(view.check());
                self.configuration(view.attributes());
            }
            PayloadType::EAP => self.eap(&Eap::new(body), at),
            _ => self.rest("data", body),
        }
    }

    /// What an IKEv1 payload holds (RFC 2408 sections 3.4 to 3.16, RFC 2407 section 4.6, RFC 3947).
    pub(super) fn ike1_body(&mut self, payload: &PayloadView<'_>) {
        let body = payload.body();
        let at = body.offset();
        match payload.kind() {
            PayloadType::SA_1 => self.ike1_association(body),
            PayloadType::ID_1 => self.identification(body, true),
            PayloadType::NAT_OA_1 | PayloadType::NAT_OA_DRAFT => self.identification(body, false),
            PayloadType::CERT_1 | PayloadType::CR_1 => self.certificate(body),
            PayloadType::N_1 => {
                let view = Notification::new1(body);
                self.uint("doi", view.doi().map(|doi| doi.0), at..at + 4);
                self.notification(&view, at + 4);
            }
            PayloadType::D_1 => {
                let view = Delete::new1(body);
                self.uint("doi", view.doi().map(|doi| doi.0), at..at + 4);
                self.delete(&view, at + 4);
            }
            PayloadType::VID_1 => self.vendor(body),
            PayloadType::ATTR_1 => {
                let view = Configuration::new(body);
                self.uint("cfg_type", view.kind().map(|kind| kind.0), at..at + 1);
                self.uint("cfg_id", view.identifier(), at + 2..at + 4);
                self.checked(view.check());
                self.configuration(view.attributes1());
            }
            _ => self.rest("data", body),
        }
    }

    /// Octets, where there are any.
    pub(super) fn rest(&mut self, name: &'static str, octets: Span<'_>) {
        if !octets.is_empty() {
            self.bytes(name, octets.range());
        }
    }

    /// What is wrong with it is said.
    fn checked(&mut self, check: dmvpn_wire::Result<()>) {
        if let Err(error) = check {
            self.broken(error);
        }
    }

    /// RFC 7296 section 3.5, RFC 2407 section 4.6.2. What identifies is octets, and where the type says so an address or words.
    fn identification(&mut self, body: Span<'_>, with_port: bool) {
        let view = Identification::new(body);
        let at = body.offset();
        self.uint("id_type", view.kind().map(|kind| kind.0), at..at + 1);
        if with_port {
            self.uint("protocol", view.protocol(), at + 1..at + 2);
            self.uint("port", view.port(), at + 2..at + 4);
        }
        self.checked(view.check());
        let data = view.data();
        self.rest("id_data", data);
        if view.address().is_some() {
            self.address("id_addr", Some(data.octets()), data.range());
        }
        if let Some(text) = view.text().filter(|text| !text.is_empty()) {
            self.text("id_text", format_args!("{}", text.escape_debug()), data.range());
        }
    }

    /// RFC 7296 sections 3.6 and 3.7, RFC 2408 sections 3.9 and 3.10.
    fn certificate(&mut self, body: Span<'_>) {
        let view = Certificate::new(body);
        self.uint("encoding", view.encoding().map(|encoding| encoding.0), body.offset()..body.offset() + 1);
        self.checked(view.check());
        self.rest("data", view.data());
    }

    /// RFC 7296 section 3.10, RFC 2408 section 3.14; `at` is where the protocol stands.
    fn notification(&mut self, view: &Notification<'_>, at: usize) {
        self.uint("protocol", view.protocol(), at..at + 1);
        self.uint("spi_size", view.spi_size(), at + 1..at + 2);
        self.uint("notify_type", view.kind(), at + 2..at + 4);
        if let Some(spi) = view.spi() {
            self.rest("spi", spi);
        }
        self.checked(view.check());
        self.rest("data", view.data());
    }

    /// RFC 7296 section 3.11, RFC 2408 section 3.15; `at` is where the protocol stands.
    fn delete(&mut self, view: &Delete<'_>, at: usize) {
        self.uint("protocol", view.protocol(), at..at + 1);
        self.uint("spi_size", view.spi_size(), at + 1..at + 2);
        self.uint("spi_count", view.spi_count(), at + 2..at + 4);
        self.checked(view.check());
        self.rest("spis", view.spis());
    }

    /// RFC 7296 section 3.12, RFC 2408 section 3.16.
    fn vendor(&mut self, body: Span<'_>) {
        self.rest("data", body);
        if let Some(name) = vendor::name(body.octets()) {
            self.text("vendor", format_args!("{name}"), body.range());
        }
    }

    /// RFC 7296 section 3.13.
    fn selectors(&mut self, view: &TrafficSelectors<'_>, at: usize) {
        self.uint("selectors", view.count(), at..at + 1);
        self.checked(view.check());
        let mut count = 0;
        for selector in view.selectors() {
            match selector {
                Ok(selector) => {
                    self.within(format_args!("ts[{count}]."), |reader| reader.selector(&selector));
                    count += 1;
                }
                Err(error) => self.broken(error),
            }
        }
        self.within(format_args!("ts."), |reader| reader.count("count", count));
        if let Some(said) = view.count().filter(|said| usize::from(*said) != count) {
            self.wrong(format_args!(
                "IKE payload at offset {}: it announces {said} traffic selectors and has {count}",
                at - 4
            ));
        }
    }

    /// RFC 7296 section 3.13.1.
    fn selector(&mut self, selector: &Selector<'_>) {
        let at = selector.offset();
        self.uint("type", selector.kind().map(|kind| kind.0), at..at + 1);
        self.uint("protocol", selector.protocol(), at + 1..at + 2);
        self.uint("length", selector.length(), at + 2..at + 4);
        self.uint("start_port", selector.start_port(), at + 4..at + 6);
        self.uint("end_port", selector.end_port(), at + 6..at + 8);
        let addresses = [("start_addr", selector.start_address()), ("end_addr", selector.end_address())];
        for (name, octets) in addresses {
            if let Some(octets) = octets {
                self.address(name, Some(octets.octets()), octets.range());
            }
        }
        if !matches!(selector.kind(), Some(ike2::TsType::TS_IPV4_ADDR_RANGE | ike2::TsType::TS_IPV6_ADDR_RANGE)) {
            self.rest("data", selector.data());
        }
        self.checked(selector.check());
    }

    /// RFC 7296 section 3.15.1, draft-dukes-ike-mode-cfg-02 section 3.3.
    fn configuration(&mut self, attributes: Attributes<'_>) {
        for (index, attribute) in attributes.enumerate() {
            match attribute {
                Ok(attribute) => {
                    self.within(format_args!("attribute[{index}]."), |reader| reader.attribute(&attribute));
                }
                Err(error) => self.broken(error),
            }
        }
    }

    /// One attribute, of a transform or a configuration: in short form a number, in long form octets and, where they
    /// are few enough, a number.
    pub(super) fn attribute(&mut self, attribute: &AttributeView<'_>) {
        let (at, value) = (attribute.offset(), attribute.value());
        self.bits("type", Some(attribute.kind()), at..at + 2, 0x7FFF);
        if attribute.is_short() {
            return self.uint("value", value.number(), value.range());
        }
        self.uint("length", Some(attribute.length() as u64), at + 2..at + 4);
        self.rest("data", value);
        self.uint("value", value.number(), value.range());
    }

    /// RFC 7296 section 3.16, RFC 3748 section 4.
    fn eap(&mut self, view: &Eap<'_>, at: usize) {
        self.uint("eap_code", view.code().map(|code| code.0), at..at + 1);
        self.uint("eap_id", view.identifier(), at + 1..at + 2);
        self.uint("eap_length", view.length(), at + 2..at + 4);
        self.uint("eap_type", view.kind(), at + 4..at + 5);
        self.checked(view.check());
        self.rest("data", view.data());
    }
}
