/** A file of route tests: requests, and what a configuration must do with them. */
import { z } from "zod";
import { headerName, headerValue, text } from "./values.js";

const expectedHeaders = z
  .record(headerName(), z.union([headerValue(), z.null()]))
  .describe("Name → value; several fields of one name are joined with a comma and a space. null: there is none.");

const jsonValue = z.json();

const requestFields = z.strictObject({
  url: z.string().describe("Absolute URL, such as https://api.example.com/orders/1."),
  method: z.string().default("GET"),
  headers: z
    .record(headerName(), z.union([headerValue(), z.array(headerValue()).min(1)]))
    .default({})
    .describe("Name → value, or a list of values."),
  claims: z
    .record(z.string(), jsonValue)
    .optional()
    .describe("Of a token whose signature is taken for good. Issuer and audience need not be written; exp, nbf and scope are checked."),
  token: z.string().optional().describe("A real token; verified when the configuration holds the keys. Secret: use a variable."),
  identity: z.string().optional().describe("Name in the client's certificate."),
  address: z.string().optional().describe("IP address of the client."),
  listener: z.string().optional().describe("Name of a listener. Default: the first that takes the URL's scheme, port and host."),
});

const request = requestFields.superRefine(({ claims, token }, context) => {
  if (claims === undefined || token === undefined) return;
  context.addIssue({ code: "custom", path: ["token"], message: "and claims exclude each other" });
});

const expectation = z
  .strictObject({
    route: z.string().nullable().optional().describe("Name of the route; null: no route matches."),
    listener: z.string().optional().describe("Name of the listener that was chosen."),
    verdict: z
      .enum(["proxied", "reply", "refused"])
      .optional()
      .describe("proxied: a service is asked; reply: a filter answers; refused: the gateway does not serve it."),
    status: z.int().min(100).max(599).optional().describe("Of a reply or a refusal."),
    error: z.string().optional().describe("Of a refusal, as in the access log: route-not-found, unauthorized, host-misdirected…"),
    path: text((value) => (value.startsWith("/") ? null : { message: "must begin with /" }))
      .optional()
      .describe("Path and query that the service receives."),
    requestHeaders: expectedHeaders.optional().describe("As the service receives them. Name → value; null: it gets none."),
    responseHeaders: expectedHeaders
      .optional()
      .describe("As the client gets them from the gateway, location among them. Name → value; null: there is none."),
    filters: z.array(z.string()).optional().describe("Types of the filters that run, in their order."),
    backends: z
      .record(z.string(), z.number().min(0).max(100))
      .optional()
      .describe("All services that get traffic → their share of it in percent."),
  })
  .superRefine((value, context) => {
    if (Object.keys(value).length === 0) context.addIssue({ code: "custom", message: "expects nothing, so the test could not fail" });
  });

const routeTest = z.strictObject({
  name: z.string().min(1).max(200).describe("What is tested, for reports."),
  request: z.union([z.string().describe("Method and absolute URL, such as POST https://api.example.com/orders."), request]),
  expect: expectation.describe("Everything that is written must hold."),
});

export const routeTestsSchema = z.strictObject({
  tests: z.array(routeTest).min(1).describe("Each is a request and what must become of it."),
});

export type WrittenRouteTest = z.output<typeof routeTest>;
export type RouteExpectation = z.output<typeof expectation>;
