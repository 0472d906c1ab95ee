/** A value in etcd → an endpoint: our own form, plain `host:port`, or what etcd's own naming packages write. */
import { type ReadEndpoint, readOwnForm, readPlain, readValue } from "../endpoint-value.js";
import { type Fields, fieldsOf, sortLabels, textsOf } from "../instance-facts.js";

export function readEtcdEndpoint(text: string): ReadEndpoint {
  return readValue(text, (fields) => (Object.hasOwn(fields, "Addr") ? readNamingForm(fields) : readOwnForm(fields)));
}

/** `{"Op":0,"Addr":"10.0.0.5:8080","Metadata":…}`. Op 1 was a removal; texts of Metadata are labels. */
function readNamingForm({ Op = 0, Addr, Metadata }: Fields): ReadEndpoint {
  if (Op !== 0) return "an Op that is not 0";
  const place = typeof Addr === "string" ? readPlain(Addr) : "no address";
  if (typeof place === "string") return place;
  return fieldsOf(Metadata) === null ? place : { ...place, labels: sortLabels(textsOf(Metadata)) };
}
