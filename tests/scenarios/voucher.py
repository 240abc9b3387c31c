"""An object that somebody invented: one voucher for every kind of entry. What `docs/mappings.md` says of it, as a table
of the simulated org."""

from __future__ import annotations

from connector.simulators.salesforce.schema import Table

VOUCHER = Table("Voucher__c", "a0V", """
Name               string(80) required defaulted
OwnerId            reference required defaulted ->User=Owner
Number__c          string(40)
Kind__c            string(40)
Status__c          string(20)
Date__c            date
Partner__c         reference ->Account=Partner__r/Vouchers__r
Description__c     string(255)
Quantity__c        double(16.4)
Price__c           currency(16.4)
Amount__c          currency(16.2)
Allocated__c       currency(16.2)
Account_Code__c    string(10)
Tax_Type__c        string(50)
Bank__c            string(10)
Settles__c         reference ->Voucher__c=Settles__r/Settled_By__r
Xero_Deposit_Id__c string(36)
Xero_Received_Id__c string(36)
Xero_Overpaid_Id__c string(36)
Xero_Overspent_Id__c string(36)
""")  # fmt: skip
