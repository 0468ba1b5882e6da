//! Security association payloads of IKE: proposals, transforms and attributes (RFC 7296 section 3.3; RFC 2408 sections 3.3 to
//! 3.6, RFC 2409 appendix A).

use dmvpn_wire::isakmp::sa::{Association, Attributes, ProposalView, Proposals, TransformView};
use dmvpn_wire::isakmp::{Span, ike1, ike2};

use super::read::Reader;

/// Which version an association is of, as its transforms differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    V1,
    V2,
}

impl Reader<'_> {
    /// The body of an IKEv1 security association payload.
    pub(super) fn ike1_association(&mut self, body: Span<'_>) {
        let view = Association::new(body);
        let at = body.offset();
        self.uint("doi", view.doi().map(|doi| doi.0), at..at + 4);
        self.uint("situation", view.situation().map(|situation| situation.0), at + 4..at + 8);
        if let Err(error) = view.check() {
            return self.broken(error);
        }
        if view.situation() == Some(ike1::Situation::IDENTITY_ONLY) {
            self.proposals(view.proposals(), Form::V1);
        } else {
            self.rest("data", body.behind(Association::MIN_LEN));
        }
    }

    /// The body of an IKEv2 security association payload.
    pub(super) fn ike2_association(&mut self, body: Span<'_>) {
        self.proposals(Proposals::new(body), Form::V2);
    }

    fn proposals(&mut self, proposals: Proposals<'_>, form: Form) {
        let mut count = 0;
        for proposal in proposals {
            match proposal {
                Ok(proposal) => {
                    self.within(format_args!("proposal[{count}]."), |reader| reader.proposal(&proposal, form));
                    count += 1;
                }
                Err(error) => self.broken(error),
            }
        }
        self.within(format_args!("proposal."), |reader| reader.count("count", count));
    }

    fn proposal(&mut self, proposal: &ProposalView<'_>, form: Form) {
        let at = proposal.offset();
        self.uint("more", Some(proposal.more()), at..at + 1);
        self.uint("length", Some(proposal.length()), at + 2..at + 4);
        self.uint("number", proposal.number(), at + 4..at + 5);
        self.uint("protocol", proposal.protocol(), at + 5..at + 6);
        self.uint("spi_size", proposal.spi_size(), at + 6..at + 7);
        self.uint("transforms", proposal.transform_count(), at + 7..at + 8);
        if let Some(spi) = proposal.spi() {
            self.rest("spi", spi);
        }
        if let Err(error) = proposal.check() {
            return self.broken(error);
        }
        let mut count = 0;
        for transform in proposal.transforms() {
            match transform {
                Ok(transform) => {
                    self.within(format_args!("transform[{count}]."), |reader| match form {
                        Form::V1 => reader.transform1(&transform, proposal.protocol()),
                        Form::V2 => reader.transform2(&transform),
                    });
                    count += 1;
                }
                Err(error) => self.broken(error),
            }
        }
        self.within(format_args!("transform."), |reader| reader.count("count", count));
        if let Some(said) = proposal.transform_count().filter(|said| usize::from(*said) != count) {
            self.wrong(format_args!("IKE proposal at offset {at}: it announces {said} transforms and has {count}"));
        }
    }

    fn transform2(&mut self, transform: &TransformView<'_>) {
        let at = transform.offset();
        self.uint("more", Some(transform.more()), at..at + 1);
        self.uint("length", Some(transform.length()), at + 2..at + 4);
        self.uint("type", transform.kind().map(|kind| kind.0), at + 4..at + 5);
        self.uint("id", transform.id(), at + 6..at + 8);
        if let Err(error) = transform.check() {
            return self.broken(error);
        }
        self.attributes(transform.attributes(), |kind| {
            (ike2::TransformAttribute(kind) == ike2::TransformAttribute::KEY_LENGTH).then_some("key_length")
        });
    }

    fn transform1(&mut self, transform: &TransformView<'_>, protocol: Option<u8>) {
        let at = transform.offset();
        self.uint("more", Some(transform.more()), at..at + 1);
        self.uint("length", Some(transform.length()), at + 2..at + 4);
        self.uint("number", transform.number1(), at + 4..at + 5);
        self.uint("id", transform.id1(), at + 5..at + 6);
        if let Err(error) = transform.check() {
            return self.broken(error);
        }
        let first_phase = protocol == Some(ike1::Protocol::ISAKMP.0);
        self.attributes(transform.attributes(), if first_phase { first_phase_name } else { second_phase_name });
    }

    /// Attributes by position, and once more by name where they have one.
    fn attributes(&mut self, attributes: Attributes<'_>, name: impl Fn(u16) -> Option<&'static str>) {
        for (index, attribute) in attributes.enumerate() {
            match attribute {
                Ok(attribute) => {
                    self.within(format_args!("attribute[{index}]."), |reader| reader.attribute(&attribute));
                    if let Some(name) = name(attribute.kind()) {
                        let value = attribute.value();
                        self.uint(name, value.number(), value.range());
                    }
                }
                Err(error) => self.broken(error),
            }
        }
    }
}

/// What an attribute of IKE's own transforms is called here.
fn first_phase_name(kind: u16) -> Option<&'static str> {
    Some(match ike1::Attribute(kind) {
        ike1::Attribute::ENCRYPTION_ALGORITHM => "encryption",
        ike1::Attribute::HASH_ALGORITHM => "hash",
        ike1::Attribute::AUTHENTICATION_METHOD => "auth_method",
        ike1::Attribute::GROUP_DESCRIPTION => "group",
        ike1::Attribute::LIFE_TYPE => "life_type",
        ike1::Attribute::LIFE_DURATION => "life_duration",
        ike1::Attribute::KEY_LENGTH => "key_length",
        _ => return None,
    })
}

/// What an attribute of the transforms of ESP, AH and IPCOMP is called here.
fn second_phase_name(kind: u16) -> Option<&'static str> {
    Some(match ike1::IpsecAttribute(kind) {
        ike1::IpsecAttribute::SA_LIFE_TYPE => "life_type",
        ike1::IpsecAttribute::SA_LIFE_DURATION => "life_duration",
        ike1::IpsecAttribute::GROUP_DESCRIPTION => "group",
        ike1::IpsecAttribute::ENCAPSULATION_MODE => "encapsulation",
        ike1::IpsecAttribute::AUTHENTICATION_ALGORITHM => "auth_algorithm",
        ike1::IpsecAttribute::KEY_LENGTH => "key_length",
        _ => return None,
    })
}
