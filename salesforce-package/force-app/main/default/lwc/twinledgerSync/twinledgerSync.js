import { LightningElement, api, wire } from "lwc";
import { gql, graphql, refreshGraphQL } from "lightning/uiGraphQLApi";
import { updateRecord } from "lightning/uiRecordApi";

const RETRIED = new Set(["Failed", "Conflict"]);
const FIELDS = {
  mapping: "Mapping__c",
  state: "State__c",
  reason: "Reason__c",
  remedy: "Remedy__c",
  xero: "Xero_Link__c",
  success: "Last_Success__c",
  asked: "Retry__c",
};

export default class TwinledgerSync extends LightningElement {
  @api recordId;
  rows = [];
  problem = "";
  answer;

  get variables() {
    return { record: this.recordId };
  }

  get nothing() {
    return !this.rows.length && !this.problem;
  }

  @wire(graphql, {
    query: gql`
      query syncStates($record: String) {
        uiapi {
          query {
            Twinledger_Sync__c(first: 20, where: { Record_Id__c: { eq: $record } }, orderBy: { Name: { order: ASC } }) {
              edges {
                node {
                  Id
                  Mapping__c { value }
                  State__c { value }
                  Reason__c { value }
                  Remedy__c { value }
                  Xero_Link__c { value }
                  Last_Success__c { value }
                  Retry__c { value }
                }
              }
            }
          }
        }
      }
    `,
    variables: "$variables",
  })
  received(answer) {
    this.answer = answer;
    if (answer.errors) {
      this.problem = answer.errors.map((each) => each.message).join(" ");
    } else if (answer.data) {
      this.problem = "";
      this.rows = answer.data.uiapi.query.Twinledger_Sync__c.edges.map(({ node }) => this.row(node));
    }
  }

  row(node) {
    const row = { id: node.Id };
    for (const [name, field] of Object.entries(FIELDS)) {
      row[name] = node[field].value;
    }
    row.retries = RETRIED.has(row.state) && !row.asked;
    return row;
  }

  async retry(event) {
    try {
      await updateRecord({ fields: { Id: event.target.dataset.id, Retry__c: true } });
      await refreshGraphQL(this.answer);
    } catch (error) {
      this.problem = error.body ? error.body.message : String(error);
    }
  }
}
