import { expect, it } from "vitest";
import { openPage } from "../../../test/support/watched-page.js";
import { makeKeys } from "../../lab/index.js";
import { homes, LabMember } from "../support/lab-member.js";
import { withLabAndChromium } from "../support/needs.js";

withLabAndChromium("the page in the lab", (startLab, launch) => {
  it("founds a network, invites, and shows the newcomer on its direct path", {
    timeout: 120_000,
  }, async () => {
    await using lab = await startLab(homes("ha", "hb"));
    const [a, b] = [new LabMember(lab, "ha"), new LabMember(lab, "hb")];
    const { privateKey } = await makeKeys(a.host.namespace);
    await a.host.wireguard({ privateKey, address: "10.9.0.1/24" });
    await a.up();
    const web = a.startBeside(["web", "--json"]);
    await web.wrote(/"url"/);
    const { url } = JSON.parse(web.log.split("\n").find((line) => line.includes('"url"')) ?? "");

    await using browser = await launch(lab, a.host);
    const { page, problems } = await openPage(await browser.newContext(), url);
    await page.getByText("This host has no peers yet.").waitFor();
    await page.getByLabel("Name of the network").fill("office");
    await page.getByLabel("Name of this host").fill("first");
    await page.getByRole("button", { name: "Found a network, and invite" }).click();
    const token = await page.getByLabel("The token", { exact: true }).inputValue();
    b.join(token);

    await page.getByText(/^hb: direct NAT, [\d.]+:\d+, [\d.]+ ms$/).waitFor();
    await expect
      .poll(() => page.locator("#picture title").allTextContents())
      .toEqual([expect.stringMatching(/^hb: direct NAT [\d.]+ ms$/)]);
    const row = page.getByRole("row").filter({ hasText: "hb" });
    expect(await row.textContent()).toMatch(/10\.9\.0\.2.*direct NAT.*\d ms/);
    await page.getByText("office: 2 members, this host is an admin").waitFor();

    // The daemon goes and comes back, and the page with it.
    a.kill();
    await a.wrote(/\(ended with/);
    await page.getByText("does not answer. This page goes on by itself").waitFor();
    await a.up();
    await page.getByText("live", { exact: true }).waitFor();
    await expect.poll(() => row.textContent(), { timeout: 20_000 }).toMatch(/direct NAT.*\d ms/);
    expect(problems).toEqual([]);
    web.signal("SIGINT");
    await web.wrote(/\(ended with 0\)/);
    await Promise.all([a.stop(), b.stop()]);
  });
});
